// Where a mount may go. /proc, /sys and /dev are the runtime's to make: a mount over them is how
// masks and labels have been escaped (CVE-2019-16884, CVE-2019-19921, CVE-2023-28642, CVE-2025-31133).
#include <algorithm>
#include <array>

#include "base/path.h"
#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

struct Place {
  std::string_view path;
  std::array<std::string_view, 3> types;  // of a mount exactly there
  bool bind;                              // a bind is fine too
};

constexpr std::array<Place, 8> kPlaces = {{
    {"/", {}, false},
    {"/proc", {"proc"}, false},
    {"/sys", {"sysfs"}, false},
    {"/sys/fs/cgroup", {"cgroup", "cgroup2", "tmpfs"}, false},
    {"/dev", {"tmpfs"}, false},
    {"/dev/pts", {"devpts"}, false},
    {"/dev/shm", {"tmpfs"}, true},
    {"/dev/mqueue", {"mqueue"}, true},
}};

// Single files of /proc that engines and lxcfs bind: runc's list.
constexpr std::array<std::string_view, 10> kProcFiles = {
    "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo",  "/proc/stat",    "/proc/swaps",
    "/proc/uptime",  "/proc/loadavg",   "/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid"};

// Made by the runtime; anything mounted over one is read or written by programs that trust it.
constexpr std::array<std::string_view, 13> kDevices = {
    "/dev/null", "/dev/zero",  "/dev/full",   "/dev/random", "/dev/urandom", "/dev/tty", "/dev/console",
    "/dev/ptmx", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd",      "/dev/core"};

bool holds(const auto& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

std::string object_to(const oci::Mount& mount, const std::string& at) {
  for (const Place& place : kPlaces) {
    if (at != place.path) continue;
    const bool bind = is_bind_mount(mount);
    if (bind ? place.bind : (!mount.type.empty() && holds(place.types, mount.type))) return "";
    return "only the runtime's own mount may be at " + at;
  }
  // A second instance would be one without masks and read-only paths.
  if (!is_bind_mount(mount) && (mount.type == "proc" || mount.type == "sysfs"))
    return "masked and read-only paths are those of /proc and /sys: a " + mount.type + " elsewhere has none";
  if (path_is_within(at, "/proc") && !holds(kProcFiles, at))
    return "mounts over /proc defeat masks and security labels";
  if (path_is_within(at, "/sys") && !path_is_within(at, "/sys/fs/cgroup"))
    return "mounts over /sys defeat its masks";
  for (const std::string_view device : kDevices) {
    if (path_is_within(at, device)) return at + " is made by the runtime";
  }
  if (path_is_within(at, "/dev/pts")) return "terminals are made by the runtime";
  return "";
}

}  // namespace

bool judge_mount_target(const oci::Mount& mount, const std::string& path, Recorder& log) {
  const std::string at =
      clean_path(mount.destination.starts_with('/') ? mount.destination : "/" + mount.destination);
  const std::string reason = object_to(mount, at);
  if (reason.empty()) return true;
  return !log.rewrites(Rule::kMountsDestination,
                       {path, (mount.type.empty() ? mount.source : mount.type) + " at " + mount.destination,
                        "", reason, "mount it elsewhere"});
}

}  // namespace gabion::policy
