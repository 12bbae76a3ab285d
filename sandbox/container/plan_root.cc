// Plan: the root file system.
#include <fcntl.h>
#include <sys/mount.h>

#include <utility>

#include "base/path.h"
#include "base/text.h"
#include "container/plan_parts.h"
#include "kernel/mount.h"
#include "kernel/mountinfo.h"

namespace gabion::container {

namespace {

// The root of that very mount: root.path may lead elsewhere.
Result<bool> is_mount(int fd, uint64_t mount) {
  const uint64_t found = TRY(kernel::mount_id(fd));
  const bool is_root = TRY(kernel::is_mount_root(fd));
  return found == mount && is_root;
}

// The overlay itself, where a view of it was.
Status make_writable(RootPlan& root) {
  if (!root.mount_overlay) return ok_status();
  const std::string path = TRY(path_of(root.directory.get()));
  TRY(std::exchange(root.mount_overlay, nullptr)());
  root.directory = TRY(open_path(path, O_PATH | O_DIRECTORY));
  return ok_status();
}

// Such hooks find the root at root.path, and may add to it.
bool has_hooks_outside(const oci::Spec& spec) {
  return !spec.hooks.prestart.empty() || !spec.hooks.create_runtime.empty() ||
         !spec.hooks.create_container.empty();
}

}  // namespace

// The maps of the joined namespace are what its processes have; the root must not be for others.
Status check_root_ids(const NamespacePlan& namespaces, const PlanInputs& inputs, const oci::Linux& asked) {
  if (!inputs.root_ids || inputs.slot) return ok_status();
  if (namespaces.user.valid() && inputs.root_ids->uids == asked.uid_mappings &&
      inputs.root_ids->gids == asked.gid_mappings) {
    return ok_status();
  }
  return make_error(Code::kInvalid,
                    "rootfs: its uidmap and gidmap are not the mappings of the container's user namespace");
}

Result<RootPlan> plan_root(const policy::HardenedSpec& hardened, const Survey& survey,
                           const PlanInputs& inputs) {
  const oci::Spec& spec = hardened.spec();
  RootPlan plan;
  const std::string path = root_path(spec, inputs.bundle);
  // The directory that was judged: a link swapped since leads nowhere new.
  Result<Fd> directory = survey.root.valid() ? open_at(survey.root.get(), ".", O_PATH | O_DIRECTORY)
                                             : open_path(path, O_PATH | O_DIRECTORY);
  if (!directory.ok()) {
    return std::move(directory).error().wrap("invalid rootfs: root.path must be an existing directory");
  }
  plan.directory = std::move(directory).value();
  const std::string resolved = TRY(path_of(plan.directory.get()));
  if (resolved == "/") {
    return make_error(Code::kInvalid, "invalid rootfs: root.path is the host's own root");
  }
  plan.shift = inputs.slot.has_value() || inputs.root_ids.has_value();
  plan.readonly = spec.root->readonly;
  plan.nosuid_nodev = hardened.controls().seal_namespaces;
  plan.late_readonly = plan.readonly && !hardened.controls().seal_namespaces;
  plan.propagation = propagation_flag(spec.linux_.rootfs_propagation);
  const bool is_view = inputs.root_view && TRY(is_mount(plan.directory.get(), inputs.root_view->mount));
  if (is_view) plan.mount_overlay = inputs.root_view->mount_overlay;
  // A root that is not shifted is used as it is mounted.
  if (!plan.shift || has_hooks_outside(spec)) TRY_AT(make_writable(plan), "rootfs");
  if (plan.shift && is_view) {
    plan.layers = TRY_AT(kernel::open_layers(inputs.root_view->overlay), "rootfs");
  } else if (plan.shift && kernel::filesystem_name(plan.directory.get()) == "overlay") {
    // Docker names layers relative to its overlay2 directory once the option string is long;
    // root.path is <overlay2>/<layer>/merged.
    const std::string base = clean_path(join_path(path, "../.."));
    const kernel::OverlayLayout layout = TRY_AT(kernel::overlay_layout(plan.directory.get(), base), "rootfs");
    plan.layers = TRY_AT(kernel::open_layers(layout), "rootfs");
  } else {
    plan.tree = TRY_AT(kernel::clone_tree(plan.directory.get(), true), "rootfs");
  }
  return plan;
}

Result<Fd> make_in_engine_root(RootPlan& root, const std::string& path, NodeKind kind, Links links) {
  Result<Fd> made = make_in_root(root.directory.get(), path, kind, links);
  if (made.ok() || made.error().sys_errno != EROFS || !root.mount_overlay) return made;
  TRY(make_writable(root));
  return make_in_root(root.directory.get(), path, kind, links);
}

}  // namespace gabion::container
