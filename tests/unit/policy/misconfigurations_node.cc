// Devices, views of the kernel, system calls, limits and hooks.
#include "misconfigurations_parts.h"

namespace gabion::policy::test {

const std::vector<Row> kNodeRows = {
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
    {"foreign_abi", Rule::kSeccompArchitectures,
     [](Spec& spec, HostFacts&) {
       spec.linux_.seccomp->architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
     },
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
    {"unlisted_sysctl", Rule::kSysctlName,
     [](Spec& spec, HostFacts&) {
       spec.linux_.sysctl = {{"net.ipv4.ip_default_ttl", "77"}};
     },
     [](const Spec& spec) { return !spec.linux_.sysctl.empty(); }, true,
     [](Policy& policy) { policy.sysctls.clear(); }},
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
    {"no_pids_limit", Rule::kResourcesPids,
     [](Spec& spec, HostFacts&) { spec.linux_.resources->pids_limit.reset(); },
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

}  // namespace gabion::policy::test
