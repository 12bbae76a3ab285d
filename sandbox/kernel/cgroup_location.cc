// Where a container's group is: Cgroup::locate and the host's mode.
//
// mountinfo grows with every container's mounts and is walked under the kernel's namespace_sem, so
// it is read only when the conventional mount points do not answer for themselves.
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <optional>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_group.h"
#include "kernel/cgroup_mounts.h"
#include "kernel/mountinfo.h"

namespace gabion::kernel {
namespace {

constexpr const char* kTop = "/sys/fs/cgroup";
constexpr const char* kHybrid = "/sys/fs/cgroup/unified";
constexpr size_t kProcLimit = size_t{64} << 20;

bool has_magic(const char* path, unsigned long magic) {
  struct statfs info {};
  return ::statfs(path, &info) == 0 && static_cast<unsigned long>(info.f_type) == magic;
}

// Whether `path` is the root of a v1 hierarchy, whole: kernfs numbers a hierarchy's root inode 1. A
// bind mount of a sub-group, as inside a container, has another number.
bool is_whole_v1_mount(const char* path) {
  struct stat info {};
  return has_magic(path, CGROUP_SUPER_MAGIC) && ::stat(path, &info) == 0 && info.st_ino == 1;
}

std::string join_inner(const std::string& mount_point, const std::string& own, const InnerPath& inner) {
  if (!inner.relative || own == "/") return mount_point + inner.path;
  return mount_point + own + inner.path;
}

Result<std::vector<OwnGroup>> own_groups() {
  const std::string text = TRY(read_file("/proc/self/cgroup", kProcLimit));
  return parse_own_groups(text);
}

// A process's own cgroup2 group as a path below the mount; what lies above a cgroup namespace is
// shown as "/..": not ours to enter.
std::string own_unified(const std::vector<OwnGroup>& groups) {
  for (const OwnGroup& group : groups) {
    if (group.controllers.empty() && !group.path.starts_with("/..")) return group.path;
  }
  return "/";
}

Result<CgroupLocation> locate_unified(const InnerPath& inner) {
  std::string own = "/";
  if (inner.relative) {
    // The caller's parent group, as runc: the caller's own has processes in it, and cgroup2 enables
    // no controller below such a group ("no internal processes", cgroups(7)).
    const std::vector<OwnGroup> groups = TRY(own_groups());
    own = own_unified(groups);
    const size_t slash = own.rfind('/');
    own = slash == 0 || slash == std::string::npos ? "/" : own.substr(0, slash);
  }
  CgroupLocation location;
  location.directories.emplace_back(kUnified, join_inner(kTop, own, inner));
  return location;
}

class V1Mounts {
 public:
  // The mount point and root of a v1 hierarchy; nullopt when it is not mounted.
  Result<std::optional<CgroupMount>> find(const std::string& controllers) {
    const std::string_view name =
        controllers.starts_with("name=") ? std::string_view(controllers).substr(5) : controllers;
    const std::string usual = concat({kTop, "/", name});
    if (is_whole_v1_mount(usual.c_str())) {
      CgroupMount mount;
      mount.root = "/";
      mount.mount_point = usual;
      return std::optional(std::move(mount));
    }
    if (!mounts_) {
      const std::string text = TRY(read_mountinfo());
      mounts_ = parse_cgroup_mounts(text);
    }
    const CgroupMount* mount = find_cgroup_mount(*mounts_, controllers);
    return mount == nullptr ? std::nullopt : std::optional(*mount);
  }

 private:
  std::optional<std::vector<CgroupMount>> mounts_;
};

Result<CgroupLocation> locate_v1(const InnerPath& inner, bool hybrid) {
  const std::vector<OwnGroup> groups = TRY(own_groups());
  CgroupLocation location;
  V1Mounts mounts;
  for (const OwnGroup& group : groups) {
    if (group.controllers.empty()) continue;
    const std::optional<CgroupMount> mount = TRY(mounts.find(group.controllers));
    if (!mount) continue;
    location.directories.emplace_back(
        group.controllers, join_inner(mount->mount_point, path_below_root(group.path, mount->root), inner));
  }
  if (hybrid) location.directories.emplace_back(kUnified, join_inner(kHybrid, own_unified(groups), inner));
  if (location.directories.empty()) {
    return make_error(
        Code::kUnsupported,
        "no cgroup hierarchy is mounted: mount cgroup2 (or the v1 controllers) on /sys/fs/cgroup");
  }
  return location;
}

}  // namespace

CgroupMode cgroup_mode() {
  if (has_magic(kTop, CGROUP2_SUPER_MAGIC)) return CgroupMode::kUnified;
  return has_magic(kHybrid, CGROUP2_SUPER_MAGIC) ? CgroupMode::kHybrid : CgroupMode::kLegacy;
}

Result<CgroupLocation> Cgroup::locate(const std::string& path, const std::string& id) {
  const InnerPath inner = inner_path(path, id);
  if (inner.path == "/") {
    return make_error(Code::kInvalid, concat({"linux.cgroupsPath \"", path,
                                              "\" is the root of the cgroup hierarchy: a container needs a "
                                              "group of its own"}));
  }
  const CgroupMode mode = cgroup_mode();
  if (mode == CgroupMode::kUnified) return locate_unified(inner);
  return locate_v1(inner, mode == CgroupMode::kHybrid);
}

}  // namespace gabion::kernel
