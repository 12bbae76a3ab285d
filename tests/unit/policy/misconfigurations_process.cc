// Namespaces, privileges, and the process.
#include "misconfigurations_parts.h"

namespace gabion::policy::test {

namespace {

// All that a filter or a device rule of its own does not turn into --privileged.
const std::vector<std::string> kDangerous = {
    "CAP_SYS_ADMIN",       "CAP_SYS_PTRACE", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_BPF",     "CAP_PERFMON",
    "CAP_DAC_READ_SEARCH", "CAP_SYS_BOOT",   "CAP_SYSLOG",     "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_MKNOD"};

void set_capabilities(Spec& spec, const std::vector<std::string>& names) {
  spec.process->capabilities->bounding = spec.process->capabilities->effective =
      spec.process->capabilities->permitted = names;
}

}  // namespace

const std::vector<Row> kProcessRows = {
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
    {"host_cgroup", Rule::kNamespacesPrivate,
     [](Spec& spec, HostFacts&) { drop_namespace(spec, NamespaceType::kCgroup); },
     [](const Spec& spec) { return !has_namespace(spec, NamespaceType::kCgroup); }},
    {"no_mount_namespace", Rule::kNamespacesPrivate,
     [](Spec& spec, HostFacts&) { drop_namespace(spec, NamespaceType::kMount); },
     [](const Spec& spec) { return !has_namespace(spec, NamespaceType::kMount); }},
    {"host_network", Rule::kNamespacesHostNetwork,
     [](Spec& spec, HostFacts&) {
       drop_namespace(spec, NamespaceType::kNetwork);
       spec.linux_.sysctl.clear();  // Docker sends none with --network host
     },
     [](const Spec& spec) { return !has_namespace(spec, NamespaceType::kNetwork); }},
    {"host_mount_namespace", Rule::kNamespacesJoin,
     [](Spec& spec, HostFacts& facts) { join(spec, facts, NamespaceType::kMount, "/proc/77/ns/mnt", false); },
     [](const Spec& spec) { return has_namespace(spec, NamespaceType::kMount, "/proc/77/ns/mnt"); }},
    {"joined_network", Rule::kNamespacesJoin,
     [](Spec& spec, HostFacts& facts) {
       join(spec, facts, NamespaceType::kNetwork, "/proc/77/ns/net", false);
     },
     [](const Spec& spec) { return has_namespace(spec, NamespaceType::kNetwork, "/proc/77/ns/net"); }, true,
     [](Policy& policy) { policy.join_namespaces.clear(); }},
    {"own_id_mappings", Rule::kNamespacesUser,
     [](Spec& spec, HostFacts&) {
       spec.linux_.namespaces.push_back({NamespaceType::kUser, ""});
       spec.linux_.uid_mappings = spec.linux_.gid_mappings = {{0, 0, 65536}};
     },
     [](const Spec& spec) {
       return !spec.linux_.uid_mappings.empty() || has_namespace(spec, NamespaceType::kUser);
     }},
    {"host_user_namespace", Rule::kNamespacesUser,
     [](Spec& spec, HostFacts& facts) { join(spec, facts, NamespaceType::kUser, "/proc/1/ns/user", true); },
     [](const Spec& spec) { return has_namespace(spec, NamespaceType::kUser, "/proc/1/ns/user"); }},
    {"capabilities", Rule::kCapabilitiesCeiling,
     [](Spec& spec, HostFacts&) { spec.process->capabilities->bounding.push_back("CAP_NET_ADMIN"); },
     [](const Spec& spec) { return contains(spec.process->capabilities->bounding, "CAP_NET_ADMIN"); }},
    {"all_capabilities", Rule::kCapabilitiesCeiling,
     [](Spec& spec, HostFacts&) { set_capabilities(spec, kDangerous); },
     [](const Spec& spec) {
       return any(kDangerous, [&](const std::string& name) {
         return contains(spec.process->capabilities->bounding, name);
       });
     }},
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
    {"new_privileges", Rule::kProcessNoNewPrivileges,
     [](Spec& spec, HostFacts&) { spec.process->no_new_privileges = false; },
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
    {"nice", Rule::kProcessRealtime,
     [](Spec& spec, HostFacts&) {
       spec.process->scheduler.emplace().policy = "SCHED_OTHER";
       spec.process->scheduler->nice = -5;
     },
     [](const Spec& spec) { return spec.process->scheduler->nice == -5; }},
    {"realtime_io", Rule::kProcessRealtime,
     [](Spec& spec, HostFacts&) { spec.process->io_priority.emplace().class_name = "IOPRIO_CLASS_RT"; },
     [](const Spec& spec) { return spec.process->io_priority.has_value(); }},
    {"personality", Rule::kProcessPersonality,
     [](Spec& spec, HostFacts&) {
       spec.linux_.personality = oci::Personality{"LINUX", {"ADDR_NO_RANDOMIZE"}};
     },
     [](const Spec& spec) { return !spec.linux_.personality->flags.empty(); }},
};

}  // namespace gabion::policy::test
