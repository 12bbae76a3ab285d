#include "container/rootfs.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "kernel/mount.h"

namespace gabion::container {

namespace {

// Directories and files made inside the container's mounts belong to the container's root; below an
// idmapped mount no one else even has an id (EOVERFLOW). Capabilities that setfsuid(2) clears from
// the effective set are raised again, and all is put back on every way out.
class ContainerIds {
 public:
  explicit ContainerIds(const NamespacePlan& namespaces) : active_(!namespaces.uids.empty()) {
    if (!active_) return;
    (void)::setfsgid(kernel::map_to_host(namespaces.gids, 0));
    (void)::setfsuid(kernel::map_to_host(namespaces.uids, 0));
    (void)kernel::raise_all_permitted();
  }
  ContainerIds(const ContainerIds&) = delete;
  ContainerIds& operator=(const ContainerIds&) = delete;
  ~ContainerIds() {
    if (!active_) return;
    (void)::setfsuid(0);
    (void)::setfsgid(0);
    (void)kernel::raise_all_permitted();
  }

 private:
  bool active_;
};

Result<Fd> mount_point(const Plan& plan, const BuiltRoot& built, const MountOp& op) {
  Result<Fd> present = open_in_root(built.root.get(), op.destination, O_PATH, op.links);
  if (present.ok() || present.error().sys_errno != ENOENT) return present;
  const ContainerIds ids(plan.namespaces);
  return make_in_root(built.root.get(), op.destination, op.node, op.links);
}

Result<Fd> open_root_mount(Plan& plan) {
  RootPlan& root = plan.root;
  kernel::MountAttributes attributes;
  attributes.recursive = true;
  attributes.propagation = MS_PRIVATE;
  if (root.readonly) attributes.set |= MOUNT_ATTR_RDONLY;
  if (root.nosuid_nodev) attributes.set |= MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  Fd mount;
  if (root.layers) {
    const int user = plan.namespaces.user.get();
    const unsigned uid = kernel::map_to_host(plan.namespaces.uids, 0);
    const unsigned gid = kernel::map_to_host(plan.namespaces.gids, 0);
    mount = root.readonly ? TRY(kernel::build_read_only_overlay(*root.layers, user))
                          : TRY(kernel::build_writable_overlay(*root.layers, user, uid, gid));
    root.layers.reset();
  } else {
    mount = std::move(root.tree);
    if (root.shift) TRY(kernel::idmap(mount.get(), plan.namespaces.user.get(), true));
  }
  TRY(kernel::set_attributes(mount.get(), attributes));
  return mount;
}

Status attach_root(Plan& plan, BuiltRoot& built) {
  // Nothing mounted from here on may travel to the host, and the host's later mounts not to here.
  // Slave, where the spec wants the host's mounts to arrive in the container.
  const uint64_t propagation = plan.root.propagation == MS_SHARED || plan.root.propagation == MS_SLAVE
                                   ? static_cast<uint64_t>(MS_SLAVE)
                                   : static_cast<uint64_t>(MS_PRIVATE);
  if (::mount(nullptr, "/", nullptr, MS_REC | propagation, nullptr) != 0) {
    return sys_error("make the mount namespace private");
  }
  built.root = TRY(open_root_mount(plan));
  // On top of the host's own root, in this namespace only: no directory of the host is needed, and
  // pivot_root(2) takes it from there.
  const Fd slash = TRY(open_path("/", O_PATH | O_DIRECTORY));
  return kernel::attach(built.root.get(), slash.get());
}

// One tmpfs behind all volatile paths, one pair of directories in it for each.
class Scratch {
 public:
  Status add(const Plan& plan, const BuiltRoot& built, const MountOp& op) {
    Result<Fd> lower = open_in_root(built.root.get(), op.destination, O_PATH | O_DIRECTORY);
    if (!lower.ok()) {
      // The image has no such directory: nothing in it can expect to write there.
      if (lower.error().sys_errno == ENOENT || lower.error().sys_errno == ENOTDIR) return ok_status();
      return std::move(lower).error();
    }
    if (!tmpfs_.valid()) {
      tmpfs_ = TRY(kernel::new_filesystem(
          "tmpfs", "gabion-volatile",
          {{"size", std::to_string(plan.scratch_bytes), false}, {"mode", "0700", false}},
          MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
    }
    struct stat info {};
    if (::fstat(lower->get(), &info) != 0) return sys_error("stat");
    const std::string number = std::to_string(next_++);
    const Fd upper = TRY(make_directory("upper" + number));
    const Fd work = TRY(make_directory("work" + number));
    // The overlay's root shows the upper directory's owner and mode: those of the image's (1777).
    if (::fchownat(upper.get(), "", info.st_uid, info.st_gid, AT_EMPTY_PATH) != 0 ||
        ::fchmod(upper.get(), info.st_mode & 07777) != 0) {
      return sys_error("copy the owner and mode");
    }
    const Fd lower_tree = TRY(kernel::clone_tree(lower->get(), false));
    const Fd overlay = TRY(kernel::build_volatile_overlay(lower_tree.get(), upper.get(), work.get()));
    kernel::MountAttributes attributes;
    attributes.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    TRY(kernel::set_attributes(overlay.get(), attributes));
    return kernel::attach(overlay.get(), lower->get());
  }

 private:
  Result<Fd> make_directory(const std::string& name) const {
    if (::mkdirat(tmpfs_.get(), name.c_str(), 0700) != 0) return sys_error(concat({"mkdir ", name}));
    return open_at(tmpfs_.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }

  Fd tmpfs_;
  int next_ = 0;
};

Status attach_tree(const Plan& plan, const BuiltRoot& built, MountOp& op) {
  if (op.shift_by.valid()) {
    TRY(kernel::idmap(op.tree.get(), op.shift_by.get(), op.recursive));
  } else if (op.shift) {
    TRY(kernel::idmap(op.tree.get(), plan.namespaces.user.get(), op.recursive));
  }
  TRY(kernel::set_attributes(op.tree.get(), op.recursive_attributes));
  TRY(kernel::set_attributes(op.tree.get(), op.attributes));
  const Fd target = TRY(mount_point(plan, built, op));
  return kernel::attach(op.tree.get(), target.get());
}

Status attach_filesystem(const Plan& plan, const BuiltRoot& built, const MountOp& op) {
  const Fd mount = TRY(kernel::new_filesystem(op.type, op.source, op.options, op.attributes.set));
  if (op.attributes.propagation != 0) {
    kernel::MountAttributes propagation;
    propagation.propagation = op.attributes.propagation;
    TRY(kernel::set_attributes(mount.get(), propagation));
  }
  const Fd target = TRY(mount_point(plan, built, op));
  return kernel::attach(mount.get(), target.get());
}

// v2: the container's directory itself. v1 and hybrid: a tmpfs with one directory a hierarchy, and
// for co-mounted controllers ("cpu,cpuacct") the customary links.
Status attach_cgroups(const Plan& plan, const BuiltRoot& built, MountOp& op) {
  kernel::MountAttributes attributes = op.attributes;
  attributes.propagation = MS_PRIVATE;
  for (auto& [name, tree] : op.hierarchies) {
    TRY(kernel::set_attributes(tree.get(), attributes));
    if (!name.empty()) continue;
    const Fd target = TRY(mount_point(plan, built, op));
    return kernel::attach(tree.get(), target.get());
  }
  const Fd tmpfs =
      TRY(kernel::new_filesystem("tmpfs", "cgroup", {{"mode", "0755", false}, {"size", "64k", false}},
                                 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  const Fd target = TRY(mount_point(plan, built, op));
  TRY(kernel::attach(tmpfs.get(), target.get()));
  for (auto& [name, tree] : op.hierarchies) {
    if (::mkdirat(tmpfs.get(), name.c_str(), 0755) != 0) return sys_error(concat({"mkdir ", name}));
    const Fd directory = TRY(open_at(tmpfs.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    TRY_AT(kernel::attach(tree.get(), directory.get()), name);
    if (name.find(',') == std::string::npos) continue;
    for (std::string_view part : split(name, ',')) {
      if (::symlinkat(name.c_str(), tmpfs.get(), std::string(part).c_str()) != 0) return sys_error("symlink");
    }
  }
  if ((op.attributes.set & MOUNT_ATTR_RDONLY) != 0) {
    kernel::MountAttributes readonly;
    readonly.set = MOUNT_ATTR_RDONLY;
    TRY(kernel::set_attributes(tmpfs.get(), readonly));
  }
  return ok_status();
}

Status attach_mount(const Plan& plan, const BuiltRoot& built, MountOp& op, Scratch& scratch) {
  switch (op.kind) {
    case MountOp::Kind::kTree:
      return attach_tree(plan, built, op);
    case MountOp::Kind::kFilesystem:
      return attach_filesystem(plan, built, op);
    case MountOp::Kind::kCgroup:
      return attach_cgroups(plan, built, op);
    case MountOp::Kind::kVolatile:
      return scratch.add(plan, built, op);
  }
  return make_error(Code::kInternal, "mount of an unknown kind");
}

Status make_device(const BuiltRoot& built, const DeviceNode& node) {
  const size_t slash = node.path.rfind('/');
  const std::string parent = slash == 0 ? "/" : node.path.substr(0, slash);
  const std::string name = node.path.substr(slash + 1);
  const Fd directory = TRY(make_in_root(built.root.get(), parent, NodeKind::kDirectory, Links::kNone));
  if (::mknodat(directory.get(), name.c_str(), node.mode, node.device) != 0) {
    if (errno != EEXIST) return sys_error("mknod");
    // Already there: good if it is this very device, and nothing else will do.
    struct stat info {};
    if (::fstatat(directory.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return sys_error("stat");
    if ((info.st_mode & S_IFMT) != (node.mode & S_IFMT) ||
        (!S_ISFIFO(info.st_mode) && info.st_rdev != node.device)) {
      return make_error(Code::kInvalid, "the root filesystem has another file in its place");
    }
    return ok_status();
  }
  // mknod(2) obeys the umask; the mode of a device is the specification's.
  const Fd made = TRY(open_at(directory.get(), name, O_PATH | O_NOFOLLOW));
  if (::fchownat(made.get(), "", node.uid, node.gid, AT_EMPTY_PATH) != 0) return sys_error("chown");
  if (::fchmodat(directory.get(), name.c_str(), node.mode & 07777, 0) != 0) return sys_error("chmod");
  return ok_status();
}

// A read-only /dev is attached writable first, filled, and closed by close_dev().
Status make_devices(const Plan& plan, const BuiltRoot& built) {
  // With the host's own /dev bound over /dev there is nothing to make.
  for (const MountOp& op : plan.mounts) {
    if (op.destination == "/dev" && op.kind == MountOp::Kind::kTree) return ok_status();
  }
  for (const DeviceNode& node : plan.devices)
    TRY_AT(make_device(built, node), concat({"device ", node.path}));
  const ContainerIds ids(plan.namespaces);
  for (const auto& [path, target] : plan.links) {
    const Fd dev = TRY(make_in_root(built.root.get(), "/dev", NodeKind::kDirectory, Links::kNone));
    const std::string name = path.substr(path.rfind('/') + 1);
    if (::symlinkat(target.c_str(), dev.get(), name.c_str()) != 0 && errno != EEXIST) {
      return sys_error(concat({"symlink ", path}));
    }
  }
  return ok_status();
}

}  // namespace

Result<BuiltRoot> build_root(Plan& plan) {
  BuiltRoot built;
  TRY_AT(attach_root(plan, built), "rootfs");
  built.proc = TRY_AT(
      kernel::new_filesystem("proc", "proc", {}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC),
      "private procfs");
  Scratch scratch;
  uint64_t late_readonly_dev = 0;
  for (MountOp& op : plan.mounts) {
    if (op.destination == "/dev" && op.kind == MountOp::Kind::kFilesystem) {
      late_readonly_dev = op.attributes.set & MOUNT_ATTR_RDONLY;
      op.attributes.set &= ~static_cast<uint64_t>(MOUNT_ATTR_RDONLY);
    }
    TRY_AT(attach_mount(plan, built, op, scratch), concat({"mount ", op.destination}));
  }
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
  for (const std::string& path : plan.readonly_paths) {
    const Result<Fd> target = open_in_root(built.root.get(), path, O_PATH);
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
  mask.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;  // not nodev: it is a device
  TRY_AT(kernel::set_attributes(plan.null_device.get(), mask), "linux.maskedPaths");
  // A detached mount can be copied only since Linux 6.15: the first use attaches the original, which
  // can then be copied on any kernel.
  Fd empty;
  bool null_attached = false;
  for (const std::string& path : plan.masked_paths) {
    const Result<Fd> target = open_in_root(built.root.get(), path, O_PATH);
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

Status enter_root(const Plan& plan, const BuiltRoot& built) {
  if (plan.pivot) return kernel::pivot_into(built.root.get());
  // --no-pivot: for a host whose root is the initial ramfs, which pivot_root(2) refuses.
  if (::fchdir(built.root.get()) != 0) return sys_error("chdir to the root filesystem");
  if (::chroot(".") != 0) return sys_error("chroot");
  if (::chdir("/") != 0) return sys_error("chdir /");
  return ok_status();
}

}  // namespace gabion::container
