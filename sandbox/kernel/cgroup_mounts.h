// Where cgroup hierarchies are mounted and which group a process is in, from the text of
// /proc/self/mountinfo and /proc/self/cgroup. Pure: no file is read here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gabion::kernel {

// One line of /proc/PID/cgroup, cgroups(7).
struct OwnGroup {
  std::string controllers;  // "cpu,cpuacct", "name=systemd", "" for cgroup2
  std::string path;         // from the root of the reader's cgroup namespace
};
std::vector<OwnGroup> parse_own_groups(std::string_view text);

struct CgroupMount {
  std::string root;         // the group that is mounted, "/" for the whole hierarchy
  std::string mount_point;  // unescaped
  bool unified = false;
  std::vector<std::string> options;  // the super block's: "rw", "cpu", "cpuacct", "name=systemd"
};
std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo);

// The mount of a v1 hierarchy, by the `controllers` of its OwnGroup; one below /sys/fs/cgroup is
// preferred to others. nullptr when it is not mounted.
const CgroupMount* find_cgroup_mount(const std::vector<CgroupMount>& mounts, std::string_view controllers);

// `path` as seen below a mount of `root`: "/a/b" below "/a" is "/b". A group outside the mount is "/".
std::string path_below_root(std::string_view path, std::string_view root);

// The cleaned linux.cgroupsPath, rooted; relative paths stay below the caller's own group whatever
// ".." they hold.
struct InnerPath {
  std::string path;
  bool relative = false;
};
InnerPath inner_path(const std::string& cgroups_path, const std::string& id);

}  // namespace gabion::kernel
