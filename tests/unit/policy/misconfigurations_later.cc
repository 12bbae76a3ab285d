// exec and update: what is asked of a container that runs.
#include "misconfigurations_parts.h"

namespace gabion::policy::test {

using oci::Process;
using oci::Resources;

const std::vector<ExecRow> kExecRows = {
    {"exec_forbidden", Rule::kExecAllowed, [](Process&, Process&, Policy& policy) { policy.exec = false; }},
    {"exec_capabilities", Rule::kCapabilitiesCeiling,
     [](Process& asked, Process&, Policy&) {
       asked.capabilities->bounding = asked.capabilities->effective = {"CAP_SYS_ADMIN", "CAP_KILL"};
     }},
    {"exec_capabilities_of_the_container", Rule::kCapabilitiesCeiling,
     [](Process& asked, Process& running, Policy&) {
       for (Process* process : {&asked, &running}) {  // the policy gave it then
         process->capabilities->bounding = process->capabilities->effective =
             process->capabilities->permitted = {"CAP_KILL", "CAP_NET_ADMIN"};
       }
     }},
    {"exec_inheritable", Rule::kCapabilitiesInheritable,
     [](Process& asked, Process&, Policy&) { asked.capabilities->inheritable = {"CAP_KILL"}; }},
    {"exec_ambient", Rule::kCapabilitiesInheritable,
     [](Process& asked, Process&, Policy&) { asked.capabilities->ambient = {"CAP_KILL"}; }},
    {"exec_no_capabilities_object", Rule::kCapabilitiesExplicit,
     [](Process& asked, Process&, Policy&) { asked.capabilities.reset(); }},
    {"exec_new_privileges", Rule::kProcessNoNewPrivileges,
     [](Process& asked, Process&, Policy&) { asked.no_new_privileges = false; }},
    {"exec_core_limit", Rule::kProcessCoreDumps,
     [](Process& asked, Process&, Policy&) {
       asked.rlimits = {{"RLIMIT_CORE", 0, 0}};
     }},
    {"exec_cwd_in_proc", Rule::kProcessCwd,
     [](Process& asked, Process&, Policy&) { asked.cwd = "/proc/self/fd/7"; }},
    {"exec_oom_score", Rule::kProcessOomScore,
     [](Process& asked, Process&, Policy&) { asked.oom_score_adj = -999; }},
    {"exec_realtime", Rule::kProcessRealtime,
     [](Process& asked, Process&, Policy&) { asked.scheduler.emplace().policy = "SCHED_FIFO"; }},
    {"exec_label", Rule::kProcessLabel,
     [](Process& asked, Process& running, Policy&) {
       running.apparmor_profile = "web";
       asked.apparmor_profile = "unconfined";
     }},
};

const std::vector<UpdateRow> kUpdateRows = {
    {"update_pids", Rule::kResourcesPids, [](Resources& asked) { asked.pids_limit = -1; }},
    {"update_memory", Rule::kResourcesMemory, [](Resources& asked) { asked.memory.emplace().limit = -1; }},
    {"update_memory_unified", Rule::kResourcesMemory,
     [](Resources& asked) {
       asked.unified = {{"memory.max", "max"}};
     }},
    {"update_no_oom_killer", Rule::kResourcesOomKiller,
     [](Resources& asked) { asked.memory.emplace().disable_oom_killer = true; }},
    {"update_cgroup_file", Rule::kResourcesUnified,
     [](Resources& asked) {
       asked.unified = {{"cgroup.procs", "1"}};
     }},
    {"update_devices", Rule::kDevicesCgroup,
     [](Resources& asked) {
       asked.devices = {{true, "a", {}, {}, "rwm"}};
     }},
};

}  // namespace gabion::policy::test
