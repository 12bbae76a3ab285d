#include "container/survey_mounts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"

namespace gabion::container {
namespace {

// proc_pid_mountinfo(5): space, tab, newline and backslash appear as \ooo.
std::string undo_octal(std::string_view text) {
  const auto digit = [&](size_t at) { return text[at] >= '0' && text[at] <= '7'; };
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// What of `path` lies below `ancestor`, which it is within: "/x" of "/a/x" and "/a"; "" of the same.
std::string_view rest_below(std::string_view path, std::string_view ancestor) {
  if (ancestor == "/") return path == "/" ? std::string_view() : path;
  return path.substr(ancestor.size());
}

std::string joined(const std::string& directory, std::string_view rest) {
  if (rest.empty()) return directory;
  return directory == "/" ? std::string(rest) : concat({directory, rest});
}

}  // namespace

Result<HostMounts> HostMounts::read() {
  const std::string text = TRY(read_file("/proc/self/mountinfo", size_t{64} << 20));
  return parse(text);
}

HostMounts HostMounts::parse(std::string_view text) {
  HostMounts mounts;
  for (const std::string_view line : split(text, '\n')) {
    // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    const std::vector<std::string_view> fields = split(line, ' ');
    const size_t dash = line.find(" - ");
    if (fields.size() < 6 || dash == std::string_view::npos) continue;
    const std::optional<uint64_t> id = parse_unsigned(fields[0], UINT64_MAX);
    if (!id) continue;
    Entry entry;
    entry.id = *id;
    entry.device = fields[2];
    entry.root = undo_octal(fields[3]);
    entry.point = undo_octal(fields[4]);
    entry.type = split(line.substr(dash + 3), ' ').front();
    mounts.entries_.push_back(std::move(entry));
  }
  return mounts;
}

std::vector<std::string> HostMounts::aliases_of(const Entry& entry, std::string_view path) const {
  std::vector<std::string> found;
  if (!path_is_within(path, entry.point)) return found;
  const std::string origin = joined(entry.root, rest_below(path, entry.point));
  for (const Entry& other : entries_) {
    if (other.id == entry.id || other.device != entry.device) continue;
    if (!path_is_within(entry.root, other.root)) continue;
    std::string alias = joined(other.point, rest_below(origin, other.root));
    if (alias != path) found.push_back(std::move(alias));
  }
  return found;
}

std::vector<std::string> HostMounts::aliases(uint64_t mount_id, std::string_view path) const {
  for (const Entry& entry : entries_) {
    if (entry.id == mount_id) return aliases_of(entry, path);
  }
  return {};
}

std::vector<policy::NestedMount> HostMounts::below(std::string_view path) const {
  std::vector<policy::NestedMount> found;
  for (const Entry& entry : entries_) {
    if (entry.point == path || !path_is_within(entry.point, path)) continue;
    found.push_back({entry.point, entry.type, aliases_of(entry, entry.point)});
  }
  return found;
}

Result<uint64_t> mount_id(int fd) {
  struct statx info {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &info) != 0) return sys_error("statx");
  return uint64_t{info.stx_mnt_id};
}

}  // namespace gabion::container
