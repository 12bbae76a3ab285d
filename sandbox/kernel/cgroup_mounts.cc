#include "kernel/cgroup_mounts.h"

#include <algorithm>

#include "base/path.h"
#include "base/text.h"

namespace gabion::kernel {
namespace {

// Space, tab, newline and backslash appear as three octal digits, proc_pid_mountinfo(5).
std::string unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    auto octal = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

}  // namespace

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
    // 36 35 98:0 ROOT MOUNT_POINT options optional... - TYPE source SUPER_OPTIONS
    const size_t dash = line.find(" - cgroup");
    if (dash == std::string_view::npos) continue;
    const std::vector<std::string_view> left = split(line.substr(0, dash), ' ');
    const std::vector<std::string_view> right = split(line.substr(dash + 3), ' ');
    if (left.size() < 5 || right.size() < 3) continue;
    if (right[0] != "cgroup" && right[0] != "cgroup2") continue;
    CgroupMount mount;
    mount.root = unescape(left[3]);
    mount.mount_point = unescape(left[4]);
    mount.unified = right[0] == "cgroup2";
    for (std::string_view option : split(right[2], ',')) mount.options.emplace_back(option);
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
