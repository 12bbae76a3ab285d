#include "container/survey_mounts.h"

#include "base/path.h"
#include "base/text.h"
#include "kernel/mountinfo.h"

namespace gabion::container {
namespace {

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
  const std::string text = TRY(kernel::read_mountinfo());
  return parse(text);
}

HostMounts HostMounts::parse(std::string_view text) {
  HostMounts mounts;
  for (const std::string_view line : split(text, '\n')) {
    const std::optional<kernel::MountLine> mount = kernel::parse_mount_line(line);
    if (!mount) continue;
    const std::optional<uint64_t> id = parse_unsigned(mount->id, UINT64_MAX);
    if (!id) continue;
    Entry entry;
    entry.id = *id;
    entry.device = mount->device;
    entry.root = kernel::unescape_mount_field(mount->root);
    entry.point = kernel::unescape_mount_field(mount->point);
    entry.type = mount->type;
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

}  // namespace gabion::container
