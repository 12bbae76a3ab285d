#include "container/rootfs.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/path.h"
#include "base/text.h"
#include "container/rootfs_parts.h"
#include "kernel/mount.h"
#include "kernel/mountinfo.h"

namespace gabion::container {

namespace {

Result<Fd> open_root_mount(Plan& plan) {
  RootPlan& root = plan.root;
  kernel::MountAttributes attributes;
  attributes.recursive = true;
  // A slave of the host's mount, where the spec wants the host's later mounts to arrive.
  const bool follows = root.propagation == MS_SHARED || root.propagation == MS_SLAVE;
  attributes.propagation = follows ? MS_SLAVE : MS_PRIVATE;
  if (root.readonly && !root.late_readonly) attributes.set |= MOUNT_ATTR_RDONLY;
  if (root.nosuid_nodev) attributes.set |= MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  Fd mount;
  if (root.layers) {
    const int user = plan.namespaces.user.get();
    const unsigned uid = kernel::map_to_host(plan.namespaces.uids, 0);
    const unsigned gid = kernel::map_to_host(plan.namespaces.gids, 0);
    kernel::OverlayLayers layers = std::move(*root.layers);
    root.layers.reset();
    mount = root.readonly
                ? TRY(kernel::build_read_only_overlay(std::move(layers), user, plan.stage))
                : TRY(kernel::build_writable_overlay(std::move(layers), user, uid, gid, plan.stage));
  } else {
    mount = std::move(root.tree);
    if (root.shift) TRY(kernel::idmap(mount.get(), plan.namespaces.user.get(), true));
  }
  TRY(kernel::set_attributes(mount.get(), attributes));
  return mount;
}

Status attach_root(Plan& plan, BuiltRoot& built) {
  built.root = std::move(plan.root.tree);
  // On top of the host's own root, in this namespace only: no directory of the host is needed, and
  // pivot_root(2) takes it from there. Nothing else may be on that root: what is would be detached in
  // its place, and setns(2) would then lead to the host's tree.
  const Fd slash = TRY(open_path("/", O_PATH | O_DIRECTORY));
  return kernel::attach(built.root.get(), slash.get());
}

Result<Fd> private_procfs(const NamespacePlan& namespaces) {
  if (namespaces.owner == NamespacePlan::Owner::kContainer && (namespaces.create & CLONE_NEWPID) == 0) {
    // A procfs of a pid namespace that is not the container's own cannot be made from its user namespace
    // (EPERM). The host's is still at its place: the root has not changed yet.
    return open_path("/proc", O_PATH | O_DIRECTORY);
  }
  return kernel::new_filesystem("proc", "proc", {}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

// Where masked and read-only paths are looked up: below /proc and /sys in the mounts themselves, found
// once. An image directory that is swapped for a link meanwhile must not lead the masks elsewhere and
// leave the mount bare (CVE-2019-19921).
class Lookup {
 public:
  static Result<Lookup> open(const Plan& plan, const BuiltRoot& built) {
    Lookup lookup(built.root.get());
    for (const char* point : {"/proc", "/sys"}) {
      const auto is_there = [&](const MountOp& op) { return clean_path(op.destination) == point; };
      if (std::none_of(plan.mounts.begin(), plan.mounts.end(), is_there)) continue;
      Fd mount = TRY_AT(open_in_root(built.root.get(), point, O_PATH | O_DIRECTORY, Links::kNone), point);
      const bool is_mounted = TRY_AT(kernel::is_mount_root(mount.get()), point);
      if (!is_mounted) {
        return make_error(Code::kRefused,
                          concat({point, " of the root filesystem was replaced while it was being mounted"}));
      }
      lookup.mounts_.emplace_back(point, std::move(mount));
    }
    return lookup;
  }

  [[nodiscard]] Result<Fd> find(const std::string& path) const {
    const std::string clean = clean_path(path);
    for (const auto& [point, mount] : mounts_) {
      if (clean != point && path_is_within(clean, point))
        return open_in_root(mount.get(), clean.substr(point.size()), O_PATH);
    }
    return open_in_root(root_, path, O_PATH);
  }

 private:
  explicit Lookup(int root) : root_(root) {}
  int root_;
  std::vector<std::pair<std::string, Fd>> mounts_;
};

}  // namespace

Status part_from_host(const Plan& plan) {
  const uint64_t propagation = plan.root.propagation == MS_SHARED || plan.root.propagation == MS_SLAVE
                                   ? static_cast<uint64_t>(MS_SLAVE)
                                   : static_cast<uint64_t>(MS_PRIVATE);
  if (::mount(nullptr, "/", nullptr, MS_REC | propagation, nullptr) != 0) {
    return sys_error("make the mount namespace private");
  }
  return ok_status();
}

Status prepare_trees(Plan& plan) {
  if (plan.root.layers && !plan.namespaces.own_host_mounts()) {
    // The layers are attached for a moment: not where the host, or another container, can see them.
    if (::unshare(CLONE_NEWNS) != 0) return sys_error("a mount namespace to build the root filesystem in");
    TRY(part_from_host(plan));
  }
  plan.root.tree = TRY_AT(open_root_mount(plan), "rootfs");
  for (MountOp& op : plan.mounts) {
    if (op.kind != MountOp::Kind::kTree) continue;
    const int user = op.shift_by.valid() ? op.shift_by.get() : op.shift ? plan.namespaces.user.get() : -1;
    if (user >= 0)
      TRY_AT(kernel::idmap(op.tree.get(), user, op.recursive), concat({"mount ", op.destination}));
  }
  if (plan.namespaces.owner == NamespacePlan::Owner::kContainer) {
    plan.device_store = TRY_AT(make_device_store(plan), "devices");
  }
  return ok_status();
}

Result<BuiltRoot> build_root(Plan& plan, const std::function<Status()>& join_cgroups) {
  BuiltRoot built;
  TRY_AT(attach_root(plan, built), "rootfs");
  built.proc = TRY_AT(private_procfs(plan.namespaces), "private procfs");
  Scratch scratch;
  uint64_t late_readonly_dev = 0;
  bool joined = false;
  for (MountOp& op : plan.mounts) {
    // What is copied into a tmpfs is charged to the group its writer is in.
    const bool needs_group = op.kind == MountOp::Kind::kCgroup || op.copy_up;
    if (needs_group && !std::exchange(joined, true)) TRY(join_cgroups());
    if (op.destination == "/dev" && op.kind == MountOp::Kind::kFilesystem) {
      late_readonly_dev = op.attributes.set & MOUNT_ATTR_RDONLY;
      op.attributes.set &= ~static_cast<uint64_t>(MOUNT_ATTR_RDONLY);
    }
    TRY_AT(attach_mount(plan, built, op, scratch), concat({"mount ", op.destination}));
  }
  if (!joined) TRY(join_cgroups());
  TRY(make_devices(plan, built));
  if (late_readonly_dev != 0) {
    const Fd dev = TRY(open_in_root(built.root.get(), "/dev", O_PATH | O_DIRECTORY, Links::kNone));
    kernel::MountAttributes readonly;
    readonly.set = MOUNT_ATTR_RDONLY;
    TRY_AT(kernel::set_attributes(dev.get(), readonly), "mount /dev");
  }
  Result<Fd> devpts = open_in_root(built.root.get(), "/dev/pts", O_PATH | O_DIRECTORY, Links::kNone);
  if (devpts.ok()) built.devpts = std::move(devpts).value();
  return built;
}

Status cover_paths(const Plan& plan, const BuiltRoot& built) {
  const Lookup lookup = TRY(Lookup::open(plan, built));
  for (const std::string& path : plan.readonly_paths) {
    const Result<Fd> target = lookup.find(path);
    if (!target.ok() && (target.error().sys_errno == ENOENT || target.error().sys_errno == ENOTDIR)) continue;
    if (!target.ok()) return Error(target.error()).wrap("linux.readonlyPaths");
    const Fd copy = TRY_AT(kernel::clone_tree(target->get(), true), "linux.readonlyPaths");
    kernel::MountAttributes readonly;
    readonly.set = MOUNT_ATTR_RDONLY;
    readonly.recursive = true;
    TRY_AT(kernel::set_attributes(copy.get(), readonly), "linux.readonlyPaths");
    TRY_AT(kernel::attach(copy.get(), target->get()), "linux.readonlyPaths");
  }
  kernel::MountAttributes mask;
  mask.propagation = MS_PRIVATE;
  mask.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;  // not nodev: it is a device
  TRY_AT(kernel::set_attributes(plan.null_device.get(), mask), "linux.maskedPaths");
  // A detached mount can be copied only since Linux 6.15: the first use attaches the original, which
  // can then be copied on any kernel.
  Fd empty;
  bool null_attached = false;
  for (const std::string& path : plan.masked_paths) {
    const Result<Fd> target = lookup.find(path);
    if (!target.ok() && (target.error().sys_errno == ENOENT || target.error().sys_errno == ENOTDIR)) continue;
    if (!target.ok()) return Error(target.error()).wrap("linux.maskedPaths");
    struct stat info {};
    if (::fstat(target->get(), &info) != 0) return sys_error(concat({"linux.maskedPaths: stat ", path}));
    if (S_ISDIR(info.st_mode)) {
      // One empty, read-only tmpfs serves every masked directory.
      if (!empty.valid()) {
        empty = TRY_AT(kernel::new_filesystem(
                           "tmpfs", "tmpfs", {{"size", "0", false}, {"nr_inodes", "1", false}},
                           MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC),
                       "linux.maskedPaths");
        TRY_AT(kernel::attach(empty.get(), target->get()), "linux.maskedPaths");
        continue;
      }
      const Fd copy = TRY_AT(kernel::clone_tree(empty.get(), false), "linux.maskedPaths");
      TRY_AT(kernel::attach(copy.get(), target->get()), "linux.maskedPaths");
    } else {
      if (!null_attached) {
        TRY_AT(kernel::attach(plan.null_device.get(), target->get()), "linux.maskedPaths");
        null_attached = true;
        continue;
      }
      const Fd copy = TRY_AT(kernel::clone_tree(plan.null_device.get(), false), "linux.maskedPaths");
      TRY_AT(kernel::attach(copy.get(), target->get()), "linux.maskedPaths");
    }
  }
  return ok_status();
}

Status bind_console(const BuiltRoot& built, int console) {
  const Fd target =
      TRY_AT(make_in_root(built.root.get(), "/dev/console", NodeKind::kFile, Links::kNone), "console");
  const Fd tree = TRY_AT(kernel::clone_tree(console, false), "console");
  return kernel::attach(tree.get(), target.get());
}

Status close_root(const Plan& plan, const BuiltRoot& built) {
  if (!plan.root.late_readonly) return ok_status();
  kernel::MountAttributes readonly;
  readonly.set = MOUNT_ATTR_RDONLY;
  return kernel::set_attributes(built.root.get(), readonly);
}

Status enter_root(const Plan& plan, const BuiltRoot& built) {
  if (plan.pivot) {
    TRY(kernel::pivot_into(built.root.get()));
    // pivot_root(2) refuses a shared root, and what is unbindable cannot be copied: only now.
    const uint64_t propagation = plan.root.propagation;
    if ((propagation == MS_SHARED || propagation == MS_UNBINDABLE) &&
        ::mount(nullptr, "/", nullptr, propagation, nullptr) != 0) {
      return sys_error("linux.rootfsPropagation");
    }
    return ok_status();
  }
  // --no-pivot: for a host whose root is the initial ramfs, which pivot_root(2) refuses.
  if (::fchdir(built.root.get()) != 0) return sys_error("chdir to the root filesystem");
  if (::chroot(".") != 0) return sys_error("chroot");
  if (::chdir("/") != 0) return sys_error("chdir /");
  return ok_status();
}

}  // namespace gabion::container
