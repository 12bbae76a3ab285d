// The mounts of a container's tree, one by one, onto the root that is already attached.
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "container/copy_up.h"
#include "container/rootfs_parts.h"
#include "kernel/mount.h"

namespace gabion::container {

ContainerIds::ContainerIds(const NamespacePlan& namespaces)
    : active_(namespaces.owner == NamespacePlan::Owner::kHost && !namespaces.uids.empty()) {
  if (!active_) return;
  (void)::setfsgid(kernel::map_to_host(namespaces.gids, 0));
  (void)::setfsuid(kernel::map_to_host(namespaces.uids, 0));
  (void)kernel::raise_all_permitted();
}

ContainerIds::~ContainerIds() {
  if (!active_) return;
  (void)::setfsuid(0);
  (void)::setfsgid(0);
  (void)kernel::raise_all_permitted();
}

Status Scratch::add(const Plan& plan, const BuiltRoot& built, const MountOp& op) {
  Result<Fd> lower = open_in_root(built.root.get(), op.destination, O_PATH | O_DIRECTORY);
  if (!lower.ok()) {
    // The image has no such directory: nothing in it can expect to write there.
    if (lower.error().sys_errno == ENOENT || lower.error().sys_errno == ENOTDIR) return ok_status();
    return std::move(lower).error();
  }
  if (!tmpfs_.valid()) {
    tmpfs_ = TRY(
        kernel::new_filesystem("tmpfs", "gabion-volatile",
                               {{"size", std::to_string(plan.scratch_bytes), false}, {"mode", "0700", false}},
                               MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
    if (plan.namespaces.own_host_mounts()) {
      const Fd stage = TRY(open_path(plan.stage, O_PATH | O_DIRECTORY));
      TRY(kernel::attach(tmpfs_.get(), stage.get()));
    }
  }
  struct stat info {};
  if (::fstat(lower->get(), &info) != 0) return sys_error("stat");
  const std::string number = std::to_string(next_++);
  const Fd upper = TRY(make_directory("upper" + number));
  // What is mounted shows the upper directory's owner and mode: those of the image's (1777).
  if (::fchownat(upper.get(), "", info.st_uid, info.st_gid, AT_EMPTY_PATH) != 0 ||
      ::fchmod(upper.get(), info.st_mode & 07777) != 0) {
    return sys_error("copy the owner and mode");
  }
  if (!is_empty_directory(lower->get())) {
    const Fd work = TRY(make_directory("work" + number));
    return kernel::mount_volatile_overlay(lower->get(), upper.get(), work.get());
  }
  // The usual /tmp: nothing of the image's to show through.
  const Fd mount = TRY(kernel::clone_tree(upper.get(), false));  // with the tmpfs's attributes
  return kernel::attach(mount.get(), lower->get());
}

Result<Fd> Scratch::make_directory(const std::string& name) const {
  if (::mkdirat(tmpfs_.get(), name.c_str(), 0700) != 0) return sys_error(concat({"mkdir ", name}));
  return open_at(tmpfs_.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

namespace {

Result<Fd> mount_point(const Plan& plan, const BuiltRoot& built, const MountOp& op) {
  Result<Fd> present = open_in_root(built.root.get(), op.destination, O_PATH, op.links);
  if (present.ok() && op.links == Links::kInside) {
    // A link of the image's may lead any other destination there (CVE-2019-16884, CVE-2023-28642).
    const std::string_view filesystem = kernel::filesystem_name(present->get());
    if (filesystem == "proc" || filesystem == "sysfs") {
      return make_error(Code::kRefused, concat({op.destination, " leads to the container's ", filesystem,
                                                " through a link of the image: name another destination"}));
    }
  }
  if (present.ok() || present.error().sys_errno != ENOENT) return present;
  const ContainerIds ids(plan.namespaces);
  return make_in_root(built.root.get(), op.destination, op.node, op.links);
}

Status attach_tree(const Plan& plan, const BuiltRoot& built, MountOp& op) {
  TRY(kernel::set_attributes(op.tree.get(), op.recursive_attributes));
  TRY(kernel::set_attributes(op.tree.get(), op.attributes));
  const Fd target = TRY(mount_point(plan, built, op));
  return kernel::attach(op.tree.get(), target.get());
}

Status attach_filesystem(const Plan& plan, const BuiltRoot& built, const MountOp& op) {
  const uint64_t late = op.copy_up ? MOUNT_ATTR_RDONLY : 0;
  const Fd mount = TRY(kernel::new_filesystem(op.type, op.source, op.options, op.attributes.set & ~late));
  if (op.attributes.propagation != 0) {
    kernel::MountAttributes propagation;
    propagation.propagation = op.attributes.propagation;
    TRY(kernel::set_attributes(mount.get(), propagation));
  }
  const Fd target = TRY(mount_point(plan, built, op));
  if (op.copy_up) {
    const Fd image = TRY(open_at(target.get(), ".", O_RDONLY | O_DIRECTORY));
    TRY_AT(copy_up(image.get(), mount.get()), "tmpcopyup");
    kernel::MountAttributes readonly;
    readonly.set = op.attributes.set & MOUNT_ATTR_RDONLY;
    TRY(kernel::set_attributes(mount.get(), readonly));
  }
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
    TRY_AT(kernel::attach_at(tree.get(), tmpfs.get(), name), name);
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

}  // namespace

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

}  // namespace gabion::container
