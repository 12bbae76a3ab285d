// Device nodes and the links beside them.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "container/rootfs_parts.h"
#include "kernel/mount.h"

namespace gabion::container {

namespace {

// The directory of a node, made if absent. Most nodes share one: it is looked up anew only for another.
class Parent {
 public:
  explicit Parent(const BuiltRoot& built) : root_(built.root.get()) {}

  Result<int> of(const std::string& path) {
    const size_t slash = path.rfind('/');
    const std::string_view parent = slash == 0 ? "/" : std::string_view(path).substr(0, slash);
    if (parent != path_) {
      directory_ = TRY(make_in_root(root_, parent, NodeKind::kDirectory, Links::kNone));
      path_ = parent;
    }
    return directory_.get();
  }

 private:
  int root_;
  std::string path_;
  Fd directory_;
};

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Status make_device(int directory, const DeviceNode& node) {
  const std::string name = last_part(node.path);
  // mknod(2) obeys the umask, and the mode of a device is the specification's. Not chmod(2) afterwards: by
  // name it follows a link that a peer with a writable directory has put in the node's place meanwhile.
  const mode_t mask = ::umask(0);
  const int made_node = ::mknodat(directory, name.c_str(), node.mode, node.device);
  const int reason = errno;
  (void)::umask(mask);
  if (made_node != 0) {
    errno = reason;
    if (errno != EEXIST) return sys_error("mknod");
    // Already there: good if it is this very device, and nothing else will do.
    struct stat info {};
    if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return sys_error("stat");
    if ((info.st_mode & S_IFMT) != (node.mode & S_IFMT) ||
        (!S_ISFIFO(info.st_mode) && info.st_rdev != node.device)) {
      return make_error(Code::kInvalid, "the root filesystem has another file in its place");
    }
    return ok_status();
  }
  const Fd made = TRY(open_at(directory, name, O_PATH | O_NOFOLLOW));
  struct stat info {};
  if (::fstat(made.get(), &info) != 0) return sys_error("stat");
  if ((info.st_mode & S_IFMT) != (node.mode & S_IFMT) ||
      (!S_ISFIFO(info.st_mode) && info.st_rdev != node.device)) {
    return make_error(Code::kInvalid, "another file was put in its place");
  }
  if (::fchownat(made.get(), "", node.uid, node.gid, AT_EMPTY_PATH) != 0) return sys_error("chown");
  return ok_status();
}

// Only what is attached can be copied before Linux 6.15: the store covers the root for as long as its
// nodes are bound. Descriptors opened before see what is below.
Status bind_devices(const Plan& plan, const BuiltRoot& built) {
  TRY(kernel::attach(plan.device_store.get(), built.root.get()));
  for (size_t i = 0; i < plan.devices.size(); ++i) {
    const std::string& path = plan.devices[i].path;
    const Fd node = TRY(open_at(plan.device_store.get(), std::to_string(i), O_PATH | O_NOFOLLOW));
    const Fd copy = TRY_AT(kernel::clone_tree(node.get(), false), concat({"device ", path}));
    const Fd target = TRY_AT(make_in_root(built.root.get(), path, NodeKind::kFile, Links::kNone),
                             concat({"device ", path}));
    TRY_AT(kernel::attach(copy.get(), target.get()), concat({"device ", path}));
  }
  return kernel::detach(plan.device_store.get());
}

}  // namespace

Result<Fd> make_device_store(const Plan& plan) {
  Fd store = TRY(kernel::new_filesystem("tmpfs", "gabion-devices", {{"mode", "0755", false}},
                                        MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  for (size_t i = 0; i < plan.devices.size(); ++i) {
    const DeviceNode& node = plan.devices[i];
    const std::string name = std::to_string(i);
    if (::mknodat(store.get(), name.c_str(), node.mode, node.device) != 0 ||
        ::fchownat(store.get(), name.c_str(), node.uid, node.gid, AT_SYMLINK_NOFOLLOW) != 0 ||
        ::fchmodat(store.get(), name.c_str(), node.mode & 07777, 0) != 0) {
      return sys_error(concat({"mknod ", node.path}));
    }
  }
  return store;
}

Status make_devices(const Plan& plan, const BuiltRoot& built) {
  // With the host's own /dev bound over /dev there is nothing to make.
  for (const MountOp& op : plan.mounts) {
    if (op.destination == "/dev" && op.kind == MountOp::Kind::kTree) return ok_status();
  }
  if (plan.device_store.valid()) {
    TRY(bind_devices(plan, built));
  } else {
    Parent parent(built);
    for (const DeviceNode& node : plan.devices) {
      const int directory = TRY_AT(parent.of(node.path), concat({"device ", node.path}));
      TRY_AT(make_device(directory, node), concat({"device ", node.path}));
    }
  }
  const ContainerIds ids(plan.namespaces);
  Parent parent(built);
  for (const auto& [path, target] : plan.links) {
    const int directory = TRY(parent.of(path));
    if (::symlinkat(target.c_str(), directory, last_part(path).c_str()) != 0 && errno != EEXIST) {
      return sys_error(concat({"symlink ", path}));
    }
  }
  return ok_status();
}

}  // namespace gabion::container
