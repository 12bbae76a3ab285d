#include "kernel/cgroup_mounts.h"

#include <algorithm>

#include "base/path.h"
#include "base/text.h"
#include "kernel/mountinfo.h"

namespace gabion::kernel {

std::vector<OwnGroup> parse_own_groups(std::string_view text) {
  std::vector<OwnGroup> groups;
  for (std::string_view line : split(text, '\n')) {
    const size_t first = line.find(':');
    if (first == std::string_view::npos) continue;
    const size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    groups.push_back(
        {std::string(line.substr(first + 1, second - first - 1)), std::string(line.substr(second + 1))});
  }
  return groups;
}

std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo) {
  std::vector<CgroupMount> mounts;
  for (std::string_view line : split(mountinfo, '\n')) {
    const std::optional<MountLine> parsed = parse_mount_line(line);
    if (!parsed || (parsed->type != "cgroup" && parsed->type != "cgroup2")) continue;
    CgroupMount mount;
    mount.root = unescape_mount_field(parsed->root);
    mount.mount_point = unescape_mount_field(parsed->point);
    mount.unified = parsed->type == "cgroup2";
    for (std::string_view option : split(parsed->options, ',')) mount.options.emplace_back(option);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

const CgroupMount* find_cgroup_mount(const std::vector<CgroupMount>& mounts, std::string_view controllers) {
  const CgroupMount* found = nullptr;
  for (const CgroupMount& mount : mounts) {
    if (mount.unified) continue;
    // A hierarchy has all of its controllers wherever it is mounted, so the first one identifies it.
    const std::string_view first = split(controllers, ',').front();
    if (std::find(mount.options.begin(), mount.options.end(), first) == mount.options.end()) continue;
    if (path_is_within(mount.mount_point, "/sys/fs/cgroup")) return &mount;
    if (found == nullptr) found = &mount;
  }
  return found;
}

std::string path_below_root(std::string_view path, std::string_view root) {
  if (!path_is_within(path, root)) return "/";
  if (root == "/") return std::string(path);
  const std::string_view rest = path.substr(root.size());
  return rest.empty() ? "/" : std::string(rest);
}

InnerPath inner_path(const std::string& cgroups_path, const std::string& id) {
  const std::string& wanted = cgroups_path.empty() ? id : cgroups_path;
  // Rooted before it is cleaned, so that a leading ".." goes nowhere, relative or not.
  return {clean_path(concat({"/", wanted})), !wanted.starts_with('/')};
}

}  // namespace gabion::kernel
