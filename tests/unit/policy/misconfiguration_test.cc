// One row per misconfiguration, each under the three modes: refused, rewritten so that it is gone,
// or left and warned about.
#include <gtest/gtest.h>

#include <algorithm>

#include "support.h"

namespace gabion::policy::test {
namespace {

struct Row {
  const char* name;
  Rule rule;
  void (*break_it)(oci::Spec&, HostFacts&);
  bool (*is_broken)(const oci::Spec&);
  bool rewritable = true;  // false: "rewrite" refuses too
};

template <typename T, typename F>
bool any(const T& list, F holds) {
  return std::any_of(list.begin(), list.end(), holds);
}

bool mounts_from(const oci::Spec& spec, std::string_view source) {
  return any(spec.mounts, [&](const oci::Mount& mount) { return mount.source == source; });
}

bool mounts_at(const oci::Spec& spec, std::string_view destination) {
  return any(spec.mounts, [&](const oci::Mount& mount) { return mount.destination == destination; });
}

bool has_option(const oci::Spec& spec, std::string_view destination, std::string_view option) {
  return any(spec.mounts, [&](const oci::Mount& mount) {
    return mount.destination == destination && contains(mount.options, option);
  });
}

bool has_namespace(const oci::Spec& spec, oci::NamespaceType type, std::string_view path = "") {
  return any(spec.linux_.namespaces,
             [&](const oci::Namespace& entry) { return entry.type == type && entry.path == path; });
}

void drop_namespace(oci::Spec& spec, oci::NamespaceType type) {
  std::erase_if(spec.linux_.namespaces, [&](const oci::Namespace& entry) { return entry.type == type; });
}

void join(oci::Spec& spec, HostFacts& facts, oci::NamespaceType type, const char* path, bool host) {
  drop_namespace(spec, type);
  spec.linux_.namespaces.push_back({type, path});
  facts.namespaces[path] = {true, host};
}

void add_bind(oci::Spec& spec, HostFacts& facts, const char* source, SourceKind kind = SourceKind::kDirectory,
              const char* filesystem = "ext4") {
  spec.mounts.push_back(bind(source, "/inside"));
  add_source(facts, source, source, kind, filesystem);
}

void add_plain(oci::Spec& spec, const char* type, const char* destination,
               std::vector<std::string> options = {}) {
  oci::Mount mount;
  mount.type = mount.source = type;
  mount.destination = destination;
  mount.options = std::move(options);
  spec.mounts.push_back(std::move(mount));
}

using oci::NamespaceType;
using oci::Spec;

// The rows of table B of the threat model that a specification can show.
const Row kRows[] = {
    {"privileged", Rule::kPrivileged,
     [](Spec& spec, HostFacts&) {
       spec.process->capabilities->bounding = {"CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_KILL"};
       spec.linux_.seccomp.reset();
       spec.linux_.masked_paths.clear();
     },
     [](const Spec& spec) { return contains(spec.process->capabilities->bounding, "CAP_SYS_MODULE"); }},
    {"host_pid", Rule::kNamespacesPrivate,
     [](Spec& spec, HostFacts&) { drop_namespace(spec, NamespaceType::kPid); },
     [](const Spec& spec) { return !has_namespace(spec, NamespaceType::kPid); }},
    {"host_pid_by_path", Rule::kNamespacesPrivate,
     [](Spec& spec, HostFacts& facts) { join(spec, facts, NamespaceType::kPid, "/proc/1/ns/pid", true); },
     [](const Spec& spec) { return !has_namespace(spec, NamespaceType::kPid); }},
    {"host_ipc", Rule::kNamespacesPrivate,
     [](Spec& spec, HostFacts&) { drop_namespace(spec, NamespaceType::kIpc); },
     [](const Spec& spec) { return !has_namespace(spec, NamespaceType::kIpc); }},
    {"host_uts", Rule::kNamespacesPrivate,
     [](Spec& spec, HostFacts&) { drop_namespace(spec, NamespaceType::kUts); },
     [](const Spec& spec) { return !has_namespace(spec, NamespaceType::kUts); }},
    {"host_cgroup", Rule::kNamespacesPrivate, [](Spec&, HostFacts&) {},
     [](const Spec& spec) { return !has_namespace(spec, NamespaceType::kCgroup); }},
    {"host_network", Rule::kNamespacesHostNetwork,
     [](Spec& spec, HostFacts&) {
       drop_namespace(spec, NamespaceType::kNetwork);
       spec.linux_.sysctl.clear();  // Docker sends none with --network host
     },
     [](const Spec& spec) { return !has_namespace(spec, NamespaceType::kNetwork); }},
    {"host_mount_namespace", Rule::kNamespacesJoin,
     [](Spec& spec, HostFacts& facts) { join(spec, facts, NamespaceType::kMount, "/proc/77/ns/mnt", false); },
     [](const Spec& spec) { return has_namespace(spec, NamespaceType::kMount, "/proc/77/ns/mnt"); }},
    {"own_id_mappings", Rule::kNamespacesUser,
     [](Spec& spec, HostFacts&) {
       spec.linux_.namespaces.push_back({NamespaceType::kUser, ""});
       spec.linux_.uid_mappings = spec.linux_.gid_mappings = {{0, 0, 65536}};
     },
     [](const Spec& spec) {
       return !spec.linux_.uid_mappings.empty() || has_namespace(spec, NamespaceType::kUser);
     }},
    {"root_is_the_host", Rule::kRootfsPath, [](Spec& spec, HostFacts&) { spec.root->path = "/usr/.."; },
     [](const Spec& spec) { return spec.root->path == "/usr/.."; }, false},
    {"writable_root", Rule::kRootfsReadonly, [](Spec&, HostFacts&) {},
     [](const Spec& spec) { return !spec.root->readonly; }},
    {"shared_propagation", Rule::kRootfsPropagation,
     [](Spec& spec, HostFacts&) { spec.linux_.rootfs_propagation = "rshared"; },
     [](const Spec& spec) { return spec.linux_.rootfs_propagation == "rshared"; }},
    {"docker_socket", Rule::kMountsEngineSocket,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/var/run/docker.sock", SourceKind::kSocket); },
     [](const Spec& spec) { return mounts_from(spec, "/var/run/docker.sock"); }},
    {"directory_of_sockets", Rule::kMountsEngineSocket,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/run"); },
     [](const Spec& spec) { return mounts_from(spec, "/run"); }},
    {"host_root", Rule::kMountsSensitivePath,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/"); },
     [](const Spec& spec) { return mounts_from(spec, "/"); }},
    {"host_etc", Rule::kMountsSensitivePath,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/etc"); },
     [](const Spec& spec) { return mounts_from(spec, "/etc"); }},
    {"link_to_etc", Rule::kMountsSensitivePath,
     [](Spec& spec, HostFacts& facts) {
       add_bind(spec, facts, "/srv/innocent");
       add_source(facts, "/srv/innocent", "/etc");
     },
     [](const Spec& spec) { return mounts_from(spec, "/srv/innocent"); }},
    {"ssh_keys", Rule::kMountsSensitivePath,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/home/alice/.ssh"); },
     [](const Spec& spec) { return mounts_from(spec, "/home/alice/.ssh"); }},
    {"engine_data", Rule::kMountsSensitivePath,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/var/lib/docker/overlay2"); },
     [](const Spec& spec) { return mounts_from(spec, "/var/lib/docker/overlay2"); }},
    {"unlisted_path", Rule::kMountsHostPath,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/nfs/all"); },
     [](const Spec& spec) { return mounts_from(spec, "/nfs/all"); }},
    {"some_socket", Rule::kMountsSpecialFile,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/srv/app.sock", SourceKind::kSocket); },
     [](const Spec& spec) { return mounts_from(spec, "/srv/app.sock"); }},
    {"disk", Rule::kMountsSpecialFile,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/srv/disk", SourceKind::kBlockDevice); },
     [](const Spec& spec) { return mounts_from(spec, "/srv/disk"); }},
    {"host_proc_elsewhere", Rule::kMountsHostFilesystem,
     [](Spec& spec, HostFacts& facts) { add_bind(spec, facts, "/mnt/p", SourceKind::kDirectory, "proc"); },
     [](const Spec& spec) { return mounts_from(spec, "/mnt/p"); }},
    {"filesystem_type", Rule::kMountsType, [](Spec& spec, HostFacts&) { add_plain(spec, "debugfs", "/x"); },
     [](const Spec& spec) { return mounts_at(spec, "/x"); }},
    {"tmpfs_over_proc", Rule::kMountsDestination,
     [](Spec& spec, HostFacts&) { add_plain(spec, "tmpfs", "/proc/sys/net"); },
     [](const Spec& spec) { return mounts_at(spec, "/proc/sys/net"); }},
    {"tmpfs_over_sys", Rule::kMountsDestination,
     [](Spec& spec, HostFacts&) { add_plain(spec, "tmpfs", "/x/../sys"); },
     [](const Spec& spec) { return mounts_at(spec, "/x/../sys"); }},
    {"bind_over_dev_null", Rule::kMountsDestination,
     [](Spec& spec, HostFacts& facts) {
       spec.mounts.push_back(bind("/srv/null", "/dev/null"));
       add_source(facts, "/srv/null", "/srv/null", SourceKind::kFile);
     },
     [](const Spec& spec) { return mounts_at(spec, "/dev/null"); }},
    {"suid_mount", Rule::kMountsFlags,
     [](Spec& spec, HostFacts&) {
       add_plain(spec, "tmpfs", "/x", {"suid", "dev", "noexec"});
     },
     [](const Spec& spec) { return has_option(spec, "/x", "suid") || !has_option(spec, "/x", "nodev"); }},
    {"writable_cgroups", Rule::kMountsFlags,
     [](Spec& spec, HostFacts&) {
       for (oci::Mount& mount : spec.mounts) {
         if (mount.type == "cgroup") mount.options = {"nosuid", "noexec", "nodev", "rw"};
       }
     },
     [](const Spec& spec) { return !has_option(spec, "/sys/fs/cgroup", "ro"); }},
    {"writable_exec", Rule::kMountsWritableExec,
     [](Spec& spec, HostFacts&) {
       add_plain(spec, "tmpfs", "/x", {"nosuid", "nodev", "exec"});
     },
     [](const Spec& spec) { return !has_option(spec, "/x", "noexec"); }},
    {"mount_propagation", Rule::kMountsPropagation,
     [](Spec& spec, HostFacts& facts) {
       spec.mounts.push_back(bind("/srv/x", "/x", {"rbind", "rshared"}));
       add_source(facts, "/srv/x", "/srv/x");
     },
     [](const Spec& spec) { return has_option(spec, "/x", "rshared"); }},
    {"mount_idmap", Rule::kMountsIdmap,
     [](Spec& spec, HostFacts&) {
       add_plain(spec, "tmpfs", "/x", {"idmap"});
       spec.mounts.back().uid_mappings = {{0, 0, 1}};
     },
     [](const Spec& spec) { return has_option(spec, "/x", "idmap"); }},
    {"unlimited_tmpfs", Rule::kMountsTmpfsSize,
     [](Spec& spec, HostFacts&) { add_plain(spec, "tmpfs", "/x", {"size=0"}); },
     [](const Spec& spec) { return has_option(spec, "/x", "size=0"); }},
    {"device_node", Rule::kDevicesNodes,
     [](Spec& spec, HostFacts&) {
       spec.linux_.devices.push_back({"c", "/dev/fuse", 10, 229, {}, {}, {}});
     },
     [](const Spec& spec) { return !spec.linux_.devices.empty(); }},
    {"standard_path_foreign_number", Rule::kDevicesNodes,
     [](Spec& spec, HostFacts&) {
       spec.linux_.devices.push_back({"c", "/dev/null", 1, 1, {}, {}, {}});
     },
     [](const Spec& spec) { return !spec.linux_.devices.empty(); }},
    {"every_device", Rule::kDevicesCgroup,
     [](Spec& spec, HostFacts&) {
       spec.linux_.resources->devices = {{true, "a", {}, {}, "rwm"}};
     },
     [](const Spec& spec) { return spec.linux_.resources->devices[0].allow; }},
    {"network_device", Rule::kDevicesNetwork,
     [](Spec& spec, HostFacts&) { spec.linux_.net_devices["eth1"] = {}; },
     [](const Spec& spec) { return !spec.linux_.net_devices.empty(); }},
    {"unmasked_proc", Rule::kPathsMasked,
     [](Spec& spec, HostFacts&) { spec.linux_.masked_paths = {"/proc/acpi"}; },
     [](const Spec& spec) { return !contains(spec.linux_.masked_paths, "/proc/kcore"); }},
    {"writable_sysrq", Rule::kPathsReadonly,
     [](Spec& spec, HostFacts&) { spec.linux_.readonly_paths.clear(); },
     [](const Spec& spec) { return !contains(spec.linux_.readonly_paths, "/proc/sysrq-trigger"); }},
    {"capabilities", Rule::kCapabilitiesCeiling,
     [](Spec& spec, HostFacts&) { spec.process->capabilities->bounding.push_back("CAP_NET_ADMIN"); },
     [](const Spec& spec) { return contains(spec.process->capabilities->bounding, "CAP_NET_ADMIN"); }},
    {"unknown_capability", Rule::kCapabilitiesCeiling,
     [](Spec& spec, HostFacts&) { spec.process->capabilities->permitted.push_back("cap_sys_admin"); },
     [](const Spec& spec) { return contains(spec.process->capabilities->permitted, "cap_sys_admin"); }},
    {"inheritable", Rule::kCapabilitiesInheritable,
     [](Spec& spec, HostFacts&) { spec.process->capabilities->inheritable = {"CAP_KILL"}; },
     [](const Spec& spec) { return !spec.process->capabilities->inheritable.empty(); }},
    {"ambient", Rule::kCapabilitiesInheritable,
     [](Spec& spec, HostFacts&) { spec.process->capabilities->ambient = {"CAP_KILL"}; },
     [](const Spec& spec) { return !spec.process->capabilities->ambient.empty(); }},
    {"no_capabilities_object", Rule::kCapabilitiesExplicit,
     [](Spec& spec, HostFacts&) { spec.process->capabilities.reset(); },
     [](const Spec& spec) { return !spec.process->capabilities.has_value(); }},
    {"new_privileges", Rule::kProcessNoNewPrivileges, [](Spec&, HostFacts&) {},
     [](const Spec& spec) { return !spec.process->no_new_privileges; }},
    {"core_limit_zero", Rule::kProcessCoreDumps,
     [](Spec& spec, HostFacts&) {
       spec.process->rlimits = {{"RLIMIT_CORE", 0, 0}};
     },
     [](const Spec& spec) { return spec.process->rlimits[0].hard != 1; }},
    {"cwd_in_proc", Rule::kProcessCwd,
     [](Spec& spec, HostFacts&) { spec.process->cwd = "/tmp/../proc/self/fd/7"; },
     [](const Spec& spec) { return spec.process->cwd != "/"; }},
    {"oom_score", Rule::kProcessOomScore, [](Spec& spec, HostFacts&) { spec.process->oom_score_adj = -999; },
     [](const Spec& spec) { return *spec.process->oom_score_adj < 0; }},
    {"realtime", Rule::kProcessRealtime,
     [](Spec& spec, HostFacts&) { spec.process->scheduler.emplace().policy = "SCHED_RR"; },
     [](const Spec& spec) { return spec.process->scheduler.has_value(); }},
    {"personality", Rule::kProcessPersonality,
     [](Spec& spec, HostFacts&) {
       spec.linux_.personality = oci::Personality{"LINUX", {"ADDR_NO_RANDOMIZE"}};
     },
     [](const Spec& spec) { return !spec.linux_.personality->flags.empty(); }},
    {"foreign_abi", Rule::kSeccompArchitectures, [](Spec&, HostFacts&) {},
     [](const Spec& spec) { return contains(spec.linux_.seccomp->architectures, "SCMP_ARCH_X86"); }},
    {"spec_allow", Rule::kSeccompFlags,
     [](Spec& spec, HostFacts&) { spec.linux_.seccomp->flags = {"SECCOMP_FILTER_FLAG_SPEC_ALLOW"}; },
     [](const Spec& spec) { return !spec.linux_.seccomp->flags.empty(); }},
    {"listener", Rule::kSeccompListener,
     [](Spec& spec, HostFacts&) {
       spec.linux_.seccomp->listener_path = "/run/agent.sock";
       spec.linux_.seccomp->syscalls[0].action = "SCMP_ACT_NOTIFY";
     },
     [](const Spec& spec) {
       return !spec.linux_.seccomp->listener_path.empty() ||
              spec.linux_.seccomp->syscalls[0].action == "SCMP_ACT_NOTIFY";
     }},
    {"trace", Rule::kSeccompTrace,
     [](Spec& spec, HostFacts&) { spec.linux_.seccomp->default_action = "SCMP_ACT_TRACE"; },
     [](const Spec& spec) { return spec.linux_.seccomp->default_action == "SCMP_ACT_TRACE"; }},
    {"host_sysctl", Rule::kSysctlName,
     [](Spec& spec, HostFacts&) {
       spec.linux_.sysctl = {{"kernel.core_pattern", "core"}};
     },
     [](const Spec& spec) { return !spec.linux_.sysctl.empty(); }},
    {"sysctl_path", Rule::kSysctlName,
     [](Spec& spec, HostFacts&) {
       spec.linux_.sysctl = {{"net/../kernel/x", "1"}};
     },
     [](const Spec& spec) { return !spec.linux_.sysctl.empty(); }},
    {"sysctl_injection", Rule::kSysctlValue,
     [](Spec& spec, HostFacts&) {
       spec.linux_.sysctl = {{"kernel.shm_rmid_forced", "1+kernel.core_pattern=|/x"}};
     },
     [](const Spec& spec) { return !spec.linux_.sysctl.empty(); }},
    {"no_pids_limit", Rule::kResourcesPids, [](Spec&, HostFacts&) {},
     [](const Spec& spec) { return spec.linux_.resources->pids_limit != 4096; }},
    {"unlimited_memory", Rule::kResourcesMemory,
     [](Spec& spec, HostFacts&) { spec.linux_.resources->memory.emplace().limit = -1; },
     [](const Spec& spec) { return spec.linux_.resources->memory->limit == -1; }},
    {"no_oom_killer", Rule::kResourcesOomKiller,
     [](Spec& spec, HostFacts&) { spec.linux_.resources->memory.emplace().disable_oom_killer = true; },
     [](const Spec& spec) { return *spec.linux_.resources->memory->disable_oom_killer; }},
    {"cgroup_file", Rule::kResourcesUnified,
     [](Spec& spec, HostFacts&) {
       spec.linux_.resources->unified = {{"cgroup.procs", "1"}};
     },
     [](const Spec& spec) { return !spec.linux_.resources->unified.empty(); }},
    {"cgroup_climbs", Rule::kResourcesCgroupPath,
     [](Spec& spec, HostFacts&) { spec.linux_.cgroups_path = "/docker/../system.slice"; },
     [](const Spec& spec) { return spec.linux_.cgroups_path == "/docker/../system.slice"; }},
    {"root_cgroup", Rule::kResourcesCgroupPath,
     [](Spec& spec, HostFacts&) { spec.linux_.cgroups_path = "/docker/.."; },
     [](const Spec& spec) { return spec.linux_.cgroups_path == "/docker/.."; }, false},
    {"foreign_hook", Rule::kHooksAllowed,
     [](Spec& spec, HostFacts& facts) {
       spec.hooks.prestart[0].path = "/usr/bin/evil";
       facts.hooks["/usr/bin/evil"] = {"/usr/bin/evil", true, 0, 0755, true, ""};
     },
     [](const Spec& spec) { return !spec.hooks.prestart.empty(); }},
    {"hook_environment", Rule::kHooksEnvironment,
     [](Spec& spec, HostFacts&) {
       spec.hooks.prestart[0].env = {"LD_PRELOAD=/proc/self/cwd/evil.so", "A=b"};
     },
     [](const Spec& spec) { return spec.hooks.prestart[0].env.size() == 2; }},
    {"annotation", Rule::kAnnotationsIgnored,
     [](Spec& spec, HostFacts&) {
       spec.annotations = {{"dev.gabion.tier", "passthrough"}};
     },
     [](const Spec& spec) { return !spec.annotations.empty(); }},
};

class Misconfiguration : public testing::TestWithParam<Row> {
 protected:
  void SetUp() override {
    spec_ = engine_spec("docker-20.10-default");
    facts_ = plausible_facts(spec_);
    policy_ = tier("restricted");
    GetParam().break_it(spec_, facts_);
  }
  void set_mode(Mode mode) { policy_.set_mode(GetParam().rule, mode); }
  [[nodiscard]] std::string rule() const { return std::string(rule_name(GetParam().rule)); }

  oci::Spec spec_;
  HostFacts facts_;
  Policy policy_;
};

TEST_P(Misconfiguration, IsRefused) {
  set_mode(Mode::kRefuse);
  const Refusal refusal = must_refuse(spec_, policy_, facts_);
  const Decision* decision = find(refusal.decisions, rule(), Outcome::kRefused);
  ASSERT_NE(decision, nullptr) << print(refusal.decisions);
  EXPECT_FALSE(decision->reason.empty());
  EXPECT_FALSE(decision->path.empty());
  EXPECT_NE(refusal_message(refusal.decisions).find(rule()), std::string::npos);
  for (const Decision& other : refusal.decisions) {
    if (other.outcome != Outcome::kRefused) continue;
    EXPECT_EQ(other.rule, rule()) << "a second objection to one mistake";
  }
}

TEST_P(Misconfiguration, IsRewritten) {
  set_mode(Mode::kRewrite);
  if (!GetParam().rewritable) {
    const Refusal refusal = must_refuse(spec_, policy_, facts_);
    EXPECT_NE(find(refusal.decisions, rule(), Outcome::kRefused), nullptr) << print(refusal.decisions);
    return;
  }
  ASSERT_TRUE(GetParam().is_broken(spec_)) << "the row breaks nothing";
  const HardenedSpec hardened = must_pass(spec_, policy_, facts_);
  EXPECT_FALSE(GetParam().is_broken(hardened.spec()));
  EXPECT_TRUE(find(hardened.decisions(), rule(), Outcome::kTightened) != nullptr ||
              find(hardened.decisions(), rule(), Outcome::kDropped) != nullptr)
      << print(hardened.decisions());
}

TEST_P(Misconfiguration, IsWarnedAbout) {
  set_mode(Mode::kWarn);
  const HardenedSpec hardened = must_pass(spec_, policy_, facts_);
  EXPECT_NE(find(hardened.decisions(), rule(), Outcome::kWarned), nullptr) << print(hardened.decisions());
  // What several rules look at may still be rewritten by another of them.
  if (GetParam().rule == Rule::kPrivileged) return;
  EXPECT_TRUE(GetParam().is_broken(hardened.spec()));
}

INSTANTIATE_TEST_SUITE_P(Rows, Misconfiguration, testing::ValuesIn(kRows),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace gabion::policy::test
