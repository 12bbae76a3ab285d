// Plan: the namespaces and the odds and ends. plan_root.cc, plan_mounts.cc, plan_devices.cc, plan_sysctls.cc
// and plan_process.cc have the rest.
#include "container/plan.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "base/text.h"
#include "container/confine.h"
#include "container/plan_parts.h"

namespace gabion::container {

namespace {

int clone_flag(oci::NamespaceType type) {
  switch (type) {
    case oci::NamespaceType::kPid:
      return CLONE_NEWPID;
    case oci::NamespaceType::kNetwork:
      return CLONE_NEWNET;
    case oci::NamespaceType::kMount:
      return CLONE_NEWNS;
    case oci::NamespaceType::kIpc:
      return CLONE_NEWIPC;
    case oci::NamespaceType::kUts:
      return CLONE_NEWUTS;
    case oci::NamespaceType::kUser:
      return CLONE_NEWUSER;
    case oci::NamespaceType::kCgroup:
      return CLONE_NEWCGROUP;
    case oci::NamespaceType::kTime:
      return 0x00000080;  // CLONE_NEWTIME
  }
  return 0;
}

Result<Fd> duplicate(const Fd& fd) {
  const int copy = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return sys_error("duplicate a descriptor");
  return Fd(copy);
}

// A joined one becomes the container's with all who are in it: what such a spec asks for.
bool has_own_mounts(const oci::Spec& spec, const Survey& survey) {
  for (const oci::Namespace& entry : spec.linux_.namespaces) {
    if (entry.type != oci::NamespaceType::kMount) continue;
    if (entry.path.empty()) return true;
    const auto fact = survey.facts.namespaces.find(entry.path);
    return fact != survey.facts.namespaces.end() && !fact->second.is_host;
  }
  return false;
}

Result<NamespacePlan> plan_namespaces(const policy::HardenedSpec& hardened, const Survey& survey,
                                      const std::optional<IdSlot>& slot) {
  const oci::Spec& spec = hardened.spec();
  NamespacePlan plan;
  plan.forbid_nested = hardened.controls().forbid_nested_namespaces;
  bool new_user = false;
  for (const oci::Namespace& entry : spec.linux_.namespaces) {
    if (!entry.path.empty()) {
      const auto found = survey.namespaces.find(entry.path);
      if (found == survey.namespaces.end()) {
        return make_error(Code::kNotFound, concat({"namespace ", entry.path, ": no such file"}));
      }
      Fd fd = TRY(duplicate(found->second));
      if (entry.type == oci::NamespaceType::kPid) {
        plan.join_pid = std::move(fd);
      } else if (entry.type == oci::NamespaceType::kUser) {
        plan.user = std::move(fd);
      } else {
        plan.join.emplace_back(clone_flag(entry.type), std::move(fd));
      }
      continue;
    }
    switch (entry.type) {
      case oci::NamespaceType::kUser:
        new_user = true;
        break;
      case oci::NamespaceType::kCgroup:
        plan.own_cgroup = true;
        break;
      case oci::NamespaceType::kTime:
        plan.own_time = true;
        break;
      case oci::NamespaceType::kNetwork:
        plan.new_network = true;
        plan.create |= CLONE_NEWNET;
        break;
      default:
        plan.create |= static_cast<uint64_t>(clone_flag(entry.type));
        break;
    }
  }
  if (!has_own_mounts(spec, survey)) {
    // Everything after this would be done to the caller's own mounts, pivot_root(2) included.
    return make_error(Code::kInvalid,
                      "linux.namespaces: a container needs a mount namespace that is not the runtime's own; "
                      "add {\"type\": \"mount\"}");
  }
  for (const auto& [clock, offset] : spec.linux_.time_offsets) {
    plan.time_offsets +=
        concat({clock, " ", std::to_string(offset.secs), " ", std::to_string(offset.nanosecs), "\n"});
  }
  if (slot) {
    plan.uids = {{0, slot->base, slot->size}};
    plan.gids = plan.uids;
    new_user = true;
  } else {
    plan.uids = id_maps(spec.linux_.uid_mappings);
    plan.gids = id_maps(spec.linux_.gid_mappings);
  }
  if (new_user && !plan.user.valid()) {
    kernel::UserNamespace made =
        TRY_AT(kernel::create_user_namespace(plan.uids, plan.gids), "user namespace");
    plan.user = std::move(made.fd);
    plan.user_holder = std::move(made.holder);
  }
  if (plan.user.valid() && !hardened.controls().seal_namespaces) {
    plan.owner = NamespacePlan::Owner::kContainer;
  }
  return plan;
}

}  // namespace

std::vector<kernel::IdMap> id_maps(const std::vector<oci::IdMapping>& mappings) {
  std::vector<kernel::IdMap> map;
  map.reserve(mappings.size());
  for (const oci::IdMapping& entry : mappings) map.push_back({entry.container_id, entry.host_id, entry.size});
  return map;
}

std::string root_path(const oci::Spec& spec, const std::string& bundle) {
  const std::string& path = spec.root->path;
  return clean_path(!path.empty() && path.front() == '/' ? path : join_path(bundle, path));
}

uint64_t propagation_flag(std::string_view name) {
  if (name.starts_with('r') && name != "rprivate") name.remove_prefix(1);
  if (name == "shared") return MS_SHARED;
  if (name == "slave") return MS_SLAVE;
  if (name == "unbindable") return MS_UNBINDABLE;
  return MS_PRIVATE;
}

Result<Plan> make_plan(const policy::HardenedSpec& hardened, const Survey& survey, const PlanInputs& inputs) {
  const oci::Spec& spec = hardened.spec();
  Plan plan;
  plan.id = inputs.id;
  plan.bundle = inputs.bundle;
  plan.pivot = !inputs.no_pivot;
  plan.stage = inputs.stage;
  plan.namespaces = TRY(plan_namespaces(hardened, survey, inputs.slot));
  TRY(check_root_ids(plan.namespaces, inputs, spec.linux_));
  plan.root = TRY(plan_root(hardened, survey, inputs));
  plan.shift_binds = inputs.slot.has_value();
  TRY(plan_mounts(plan, hardened, survey));
  TRY(plan_devices(plan, spec));
  plan.masked_paths = spec.linux_.masked_paths;
  plan.readonly_paths = spec.linux_.readonly_paths;
  plan.hostname = spec.hostname;
  plan.domainname = spec.domainname;
  TRY_AT(plan_sysctls(plan, hardened, survey), "linux.sysctl");
  if (spec.process) {
    plan.process = TRY(make_process_plan(*spec.process, hardened.controls().private_stdio));
    plan.process.shed_priority = hardened.controls().seal_namespaces;
    plan.process.filters =
        TRY(make_filters(spec.linux_.seccomp, hardened.controls(), plan.process.capabilities.bounding));
    TRY(plan_confinement(plan.process, spec, hardened.controls()));
    make_working_directory(plan);
    TRY(connect_listener(plan.process, spec.linux_.seccomp));
  }
  if (const auto& memory = spec.linux_.memory_policy) {
    plan.process.memory_policy = kernel::MemoryPolicy{memory->mode, memory->nodes, memory->flags};
  }
  if (spec.linux_.personality) plan.process.personality = spec.linux_.personality->domain;
  plan.process.new_keyring = !inputs.no_new_keyring;
  plan.process.keyring_name = concat({"_ses.", inputs.id});
  plan.create_container_hooks = spec.hooks.create_container;
  plan.start_container_hooks = spec.hooks.start_container;
  return plan;
}

Status add_cgroup(Plan& plan, const kernel::Cgroup& cgroup) {
  plan.cgroup_procs = TRY(cgroup.open_procs("", kernel::Cgroup::Join::kWithoutUnified));
  if (!plan.namespaces.into_cgroup.valid()) plan.namespaces.into_cgroup = TRY(cgroup.open_into());
  for (MountOp& mount : plan.mounts) {
    if (mount.kind != MountOp::Kind::kCgroup) continue;
    const auto& directories = cgroup.location().directories;
    for (const auto& [controller, path] : directories) {
      const Fd directory = TRY(open_path(path, O_PATH | O_DIRECTORY));
      Fd tree = TRY_AT(kernel::clone_tree(directory.get(), false), "cgroup mount");
      const bool unified_only = directories.size() == 1 && kernel::filesystem_name(tree.get()) == "cgroup2";
      const std::string name = controller.starts_with("name=") ? controller.substr(5) : controller;
      mount.hierarchies.emplace_back(unified_only ? std::string() : name, std::move(tree));
    }
  }
  return ok_status();
}

}  // namespace gabion::container
