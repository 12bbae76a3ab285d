// Plan: the namespaces, the root and the odds and ends. Mounts are plan_mounts.cc's, the process is
// plan_process.cc's.
#include "container/plan.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "base/text.h"
#include "container/plan_parts.h"

namespace gabion::container {

namespace {

std::vector<kernel::IdMap> id_maps(const std::vector<oci::IdMapping>& mappings) {
  std::vector<kernel::IdMap> map;
  for (const oci::IdMapping& entry : mappings) map.push_back({entry.container_id, entry.host_id, entry.size});
  return map;
}

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
    plan.user = TRY_AT(kernel::create_user_namespace(plan.uids, plan.gids), "user namespace");
  }
  return plan;
}

Result<RootPlan> plan_root(const policy::HardenedSpec& hardened, const PlanInputs& inputs) {
  const oci::Spec& spec = hardened.spec();
  RootPlan plan;
  const std::string path = root_path(spec, inputs.bundle);
  Result<Fd> directory = open_path(path, O_PATH | O_DIRECTORY);
  if (!directory.ok()) {
    return std::move(directory).error().wrap("invalid rootfs: root.path must be an existing directory");
  }
  plan.directory = std::move(directory).value();
  const std::string resolved = TRY(path_of(plan.directory.get()));
  if (resolved == "/") {
    return make_error(Code::kInvalid, "invalid rootfs: root.path is the host's own root");
  }
  plan.shift = inputs.slot.has_value();
  plan.readonly = spec.root->readonly;
  plan.nosuid_nodev = hardened.controls().seal_namespaces;
  plan.propagation = propagation_flag(spec.linux_.rootfs_propagation);
  if (plan.shift && kernel::filesystem_name(plan.directory.get()) == "overlay") {
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

Result<std::vector<DeviceNode>> plan_devices(const oci::Spec& spec, const NamespacePlan& namespaces) {
  // config-linux.md, "Default Devices"; /dev/console and /dev/ptmx are made by the launch.
  static constexpr struct {
    const char* path;
    unsigned major;
    unsigned minor;
  } kStandard[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
                   {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};
  const uint32_t root_uid = kernel::map_to_host(namespaces.uids, 0);
  const uint32_t root_gid = kernel::map_to_host(namespaces.gids, 0);
  std::vector<DeviceNode> nodes;
  for (const auto& device : kStandard) {
    nodes.push_back({device.path, S_IFCHR | 0666, makedev(device.major, device.minor), root_uid, root_gid});
  }
  for (const oci::Device& device : spec.linux_.devices) {
    DeviceNode node;
    node.path = clean_path(device.path);
    mode_t type = S_IFCHR;
    if (device.type == "b") type = S_IFBLK;
    if (device.type == "p") type = S_IFIFO;
    node.mode = type | (device.file_mode.value_or(0666) & 07777);
    node.device = makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
    node.uid = kernel::map_to_host(namespaces.uids, device.uid.value_or(0));
    node.gid = kernel::map_to_host(namespaces.gids, device.gid.value_or(0));
    std::erase_if(nodes, [&](const DeviceNode& known) { return known.path == node.path; });
    nodes.push_back(std::move(node));
  }
  return nodes;
}

// config-linux.md, "Default Devices" and runtime-linux.md, "Dev symbolic links".
constexpr std::pair<const char*, const char*> kDeviceLinks[] = {{"/dev/fd", "/proc/self/fd"},
                                                                {"/dev/stdin", "/proc/self/fd/0"},
                                                                {"/dev/stdout", "/proc/self/fd/1"},
                                                                {"/dev/stderr", "/proc/self/fd/2"},
                                                                {"/dev/ptmx", "pts/ptmx"}};

// The file masks are made of. An attacker who can put another file at /dev/null of the host has
// already won, but a runtime running in a container has been fooled so (CVE-2025-31133).
Result<Fd> open_null_device() {
  Fd fd = TRY(open_path("/dev/null", O_PATH | O_NOFOLLOW));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return sys_error("stat /dev/null");
  if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(1, 3)) {
    return make_error(Code::kInternal, "the host's /dev/null is not character device 1:3");
  }
  return kernel::clone_tree(fd.get(), false);
}

void add_sysctls(Plan& plan, const oci::Spec& spec, const policy::Controls& controls) {
  auto add = [&](const std::string& key, const std::string& value) {
    for (auto& [known, text] : plan.sysctls) {
      if (known != key) continue;
      text = value;
      return;
    }
    plan.sysctls.emplace_back(key, value);
  };
  if (plan.namespaces.new_network && controls.unprivileged_low_ports) {
    add("net/ipv4/ip_unprivileged_port_start", "0");
  }
  if (plan.namespaces.new_network && controls.unprivileged_ping && !plan.namespaces.gids.empty()) {
    // The file takes the caller's view: written before the user namespace is entered, host ids.
    const kernel::IdMap& range = plan.namespaces.gids.front();
    add("net/ipv4/ping_group_range",
        concat({std::to_string(range.outside), " ", std::to_string(range.outside + (range.size - 1))}));
  }
  for (const auto& [key, value] : spec.linux_.sysctl) {
    // sysctl(8): the first separator decides; "net.ipv4.conf.eth0/1.x" has slashes for dots.
    std::string path = key;
    const size_t first = key.find_first_of("./");
    if (first != std::string::npos && key[first] == '.') {
      for (char& c : path) c = c == '.' ? '/' : (c == '/' ? '.' : c);
    }
    if (path == "net/ipv4/ping_group_range" && !plan.namespaces.gids.empty()) {
      // The spec counts in the container's ids.
      const std::vector<std::string_view> ends =
          split(trim(value), value.find('\t') == std::string::npos ? ' ' : '\t');
      const auto low = parse_unsigned(ends.front(), UINT32_MAX);
      const auto high = parse_unsigned(ends.back(), UINT32_MAX);
      const kernel::IdMap& range = plan.namespaces.gids.front();
      if (low && high && *low <= *high && *low < range.size) {
        const uint64_t top = std::min<uint64_t>(*high, range.size - 1);
        add(path, concat({std::to_string(range.outside + *low), " ", std::to_string(range.outside + top)}));
        continue;
      }
    }
    add(path, value);
  }
}

}  // namespace

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
  plan.namespaces = TRY(plan_namespaces(hardened, survey, inputs.slot));
  plan.root = TRY(plan_root(hardened, inputs));
  TRY(plan_mounts(plan, hardened, survey));
  plan.devices = TRY(plan_devices(spec, plan.namespaces));
  for (const auto& [path, target] : kDeviceLinks) plan.links.emplace_back(path, target);
  plan.masked_paths = spec.linux_.masked_paths;
  plan.readonly_paths = spec.linux_.readonly_paths;
  plan.null_device = TRY(open_null_device());
  plan.hostname = spec.hostname;
  plan.domainname = spec.domainname;
  add_sysctls(plan, spec, hardened.controls());
  if (hardened.controls().no_memfd_exec && (plan.namespaces.create & CLONE_NEWPID) != 0) {
    plan.sysctls.emplace_back("vm/memfd_noexec", "2");
  }
  if (spec.process) {
    plan.process = TRY(make_process_plan(*spec.process, hardened.controls().private_stdio));
    plan.process.filters = TRY(make_filters(spec.linux_.seccomp, hardened.controls().seccomp_profile));
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
  plan.namespaces.into_cgroup = TRY(cgroup.open_into());
  for (MountOp& mount : plan.mounts) {
    if (mount.kind != MountOp::Kind::kCgroup) continue;
    const auto& directories = cgroup.location().directories;
    for (const auto& [controller, path] : directories) {
      const Fd directory = TRY(open_path(path, O_PATH | O_DIRECTORY));
      Fd tree = TRY_AT(kernel::clone_tree(directory.get(), false), "cgroup mount");
      const bool unified_only = directories.size() == 1 && kernel::filesystem_name(tree.get()) == "cgroup2";
      std::string name = controller.starts_with("name=") ? controller.substr(5) : controller;
      mount.hierarchies.emplace_back(unified_only ? std::string() : std::move(name), std::move(tree));
    }
  }
  return ok_status();
}

}  // namespace gabion::container
