#include "kernel/mountinfo.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"

namespace gabion::kernel {

namespace {

// Takes the text up to the next blank, and the blank.
std::string_view next_field(std::string_view& rest) {
  const size_t end = rest.find(' ');
  const std::string_view field = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return field;
}

}  // namespace

std::optional<MountLine> parse_mount_line(std::string_view line) {
  // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
  // No field before the dash can be a dash alone: the paths begin with '/', or, of a filesystem that
  // is no tree (nsfs), with its type.
  const size_t dash = line.find(" - ");
  if (dash == std::string_view::npos) return std::nullopt;
  std::string_view left = line.substr(0, dash);
  std::string_view right = line.substr(dash + 3);
  MountLine mount;
  mount.id = next_field(left);
  (void)next_field(left);  // the parent's id
  mount.device = next_field(left);
  mount.root = next_field(left);
  mount.point = next_field(left);
  mount.type = next_field(right);
  (void)next_field(right);  // the source: any text, and it may be empty
  mount.options = next_field(right);
  if (mount.point.empty() || mount.options.empty()) return std::nullopt;
  return mount;
}

std::string unescape_mount_field(std::string_view text) {
  const auto octal = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
  std::string plain;
  plain.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

Result<std::string> read_mountinfo() { return read_file("/proc/self/mountinfo", size_t{64} << 20); }

Result<uint64_t> mount_id(int fd) {
  struct statx info {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &info) != 0) return sys_error("statx of a mount");
  return uint64_t{info.stx_mnt_id};
}

Result<bool> is_mount_root(int fd) {
  struct statx info {};
  if (::statx(fd, "", AT_EMPTY_PATH, 0, &info) != 0) return sys_error("statx of a mount");
  return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace gabion::kernel
