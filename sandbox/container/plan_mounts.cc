#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/path.h"
#include "base/text.h"
#include "container/plan.h"
#include "container/plan_parts.h"
#include "kernel/mount_options.h"

namespace gabion::container {

namespace {

Result<NodeKind> node_kind(int fd, std::string_view source) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return sys_error(concat({"stat ", source}));
  return S_ISDIR(info.st_mode) ? NodeKind::kDirectory : NodeKind::kFile;
}

bool fixed_place(std::string_view destination) {
  return path_is_within(destination, "/proc") || path_is_within(destination, "/sys") ||
         path_is_within(destination, "/dev");
}

// tmpfs and devpts read uid= and gid= in the mounter's user namespace, which is the host's: the
// container's ids must be said from outside, and what is left out would be the host's root.
void shift_owner(std::vector<kernel::FilesystemOption>& options, const Plan& plan, bool needs_uid) {
  if (plan.namespaces.uids.empty() || plan.namespaces.owner == NamespacePlan::Owner::kContainer) return;
  bool has_uid = false;
  bool has_gid = false;
  for (kernel::FilesystemOption& option : options) {
    const bool uid = option.key == "uid";
    if (!uid && option.key != "gid") continue;
    const auto id = parse_unsigned(option.value, UINT32_MAX);
    if (!id) continue;
    option.value = std::to_string(
        kernel::map_to_host(uid ? plan.namespaces.uids : plan.namespaces.gids, static_cast<uint32_t>(*id)));
    (uid ? has_uid : has_gid) = true;
  }
  if (!needs_uid) return;
  if (!has_uid)
    options.push_back({"uid", std::to_string(kernel::map_to_host(plan.namespaces.uids, 0)), false});
  if (!has_gid)
    options.push_back({"gid", std::to_string(kernel::map_to_host(plan.namespaces.gids, 0)), false});
}

Status fill_bind(MountOp& op, const oci::Mount& mount, const kernel::MountOptions& options,
                 const Survey& survey, const Plan& plan) {
  const auto source = survey.sources.find(mount.source);
  if (source == survey.sources.end()) {
    return sys_error(concat({"mount ", mount.destination, ": source ", mount.source}), ENOENT);
  }
  op.kind = MountOp::Kind::kTree;
  op.node = TRY(node_kind(source->second.get(), mount.source));
  op.recursive = options.recursive_bind;
  op.tree = TRY_AT(kernel::clone_tree(source->second.get(), op.recursive), concat({"bind ", mount.source}));
  op.shift = plan.shift_binds;
  if (!mount.uid_mappings.empty() || !mount.gid_mappings.empty()) {
    op.shift_by =
        TRY_AT(kernel::create_user_namespace(id_maps(mount.uid_mappings), id_maps(mount.gid_mappings)),
               concat({"idmap of ", mount.destination}))
            .fd;
  }
  // A bind without a word about propagation is private to the container (runc: rprivate).
  if (op.attributes.propagation == 0 && op.recursive_attributes.propagation == 0) {
    op.recursive_attributes.propagation = MS_PRIVATE;
  }
  return ok_status();
}

Result<MountOp> plan_mount(const oci::Mount& mount, const Survey& survey, const Plan& plan,
                           uint64_t tmpfs_bytes) {
  MountOp op;
  op.destination = clean_path(concat({"/", mount.destination}));
  op.links = fixed_place(op.destination) ? Links::kNone : Links::kInside;
  const kernel::MountOptions options = kernel::parse_mount_options(mount.options);
  op.attributes = options.attributes;
  op.recursive_attributes = options.recursive;
  op.copy_up = options.copy_up;
  if (op.copy_up && mount.type != "tmpfs") {
    return make_error(Code::kInvalid,
                      concat({"mounts: option tmpcopyup of ", op.destination, " is for type tmpfs only"}));
  }
  if (is_bind(mount)) {
    TRY(fill_bind(op, mount, options, survey, plan));
    return op;
  }
  if (mount.type == "cgroup" || mount.type == "cgroup2") {
    op.kind = MountOp::Kind::kCgroup;
    return op;
  }
  op.type = mount.type;
  op.source = mount.source;
  op.options = options.data;
  // devpts: "newinstance" is the only kind there is since Linux 4.7.
  if (mount.type == "devpts")
    std::erase_if(op.options, [](const auto& option) { return option.key == "newinstance"; });
  if (mount.type == "tmpfs" && tmpfs_bytes != 0) {
    const bool sized = std::any_of(op.options.begin(), op.options.end(), [](const auto& option) {
      return option.key == "size" || option.key == "nr_blocks";
    });
    // The kernel's own limit is half of the host's memory.
    if (!sized) op.options.push_back({"size", std::to_string(tmpfs_bytes), false});
  }
  if (mount.type == "tmpfs" || mount.type == "devpts") shift_owner(op.options, plan, mount.type == "tmpfs");
  return op;
}

// Mount points on the root filesystem itself are made now, through the engine's own mount and as the
// host's root: below an idmapped mount the host's root has no id to make them with. What lies below
// another mount is made by the launch, on that mount.
Status make_mount_point(Plan& plan, const MountOp& op) {
  for (const MountOp& outer : plan.mounts) {
    if (path_is_within(op.destination, outer.destination) && op.destination != outer.destination)
      return ok_status();
  }
  Result<Fd> made = make_in_engine_root(plan.root, op.destination, op.node, op.links);
  if (made.ok()) return ok_status();
  if (made.error().sys_errno == EROFS) {
    return make_error(Code::kSystem,
                      concat({"mount destination ", op.destination,
                              " does not exist and the root filesystem is read-only: make it in the image"}));
  }
  return std::move(made).error().wrap(concat({"mount destination ", op.destination}));
}

}  // namespace

void make_working_directory(Plan& plan) {
  const std::string path = clean_path(plan.process.cwd);
  for (const MountOp& mount : plan.mounts) {
    // What is inside a mount of the engine's is the engine's; a volatile path shows what is below it.
    if (mount.kind != MountOp::Kind::kVolatile && path_is_within(path, mount.destination)) return;
  }
  (void)make_in_engine_root(plan.root, path, NodeKind::kDirectory, Links::kInside);
}

Status plan_mounts(Plan& plan, const policy::HardenedSpec& hardened, const Survey& survey) {
  const oci::Spec& spec = hardened.spec();
  const policy::Controls& controls = hardened.controls();
  for (const policy::VolatilePath& path : controls.volatile_paths) {
    MountOp op;
    op.kind = MountOp::Kind::kVolatile;
    op.destination = clean_path(path.path);
    plan.mounts.push_back(std::move(op));
  }
  // Outer before inner, or one volatile path would hide another.
  std::sort(plan.mounts.begin(), plan.mounts.end(),
            [](const MountOp& a, const MountOp& b) { return a.destination < b.destination; });
  plan.scratch_bytes = controls.volatile_bytes;

  const bool has_dev = std::any_of(spec.mounts.begin(), spec.mounts.end(), [](const oci::Mount& mount) {
    return clean_path(mount.destination) == "/dev";
  });
  if (!has_dev && controls.seal_namespaces) {
    // Always a fresh /dev: the image's own could hold links for device nodes to be made through.
    oci::Mount dev;
    dev.destination = "/dev";
    dev.type = dev.source = "tmpfs";
    dev.options = {"nosuid", "noexec", "strictatime", "mode=755", "size=65536k"};
    MountOp op = TRY(plan_mount(dev, survey, plan, controls.tmpfs_bytes));
    TRY(make_mount_point(plan, op));
    plan.mounts.push_back(std::move(op));
  }
  for (const oci::Mount& mount : spec.mounts) {
    MountOp op = TRY(plan_mount(mount, survey, plan, controls.tmpfs_bytes));
    TRY(make_mount_point(plan, op));
    plan.mounts.push_back(std::move(op));
  }
  return ok_status();
}

}  // namespace gabion::container
