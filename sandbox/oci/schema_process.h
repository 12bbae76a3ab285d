// The field tables of `process`.
#pragma once

#include "oci/schema.h"

namespace gabion::oci {

template <typename V, Is<Box> S>
void fields(V& visitor, S& box) {
  visitor.always("height", box.height);
  visitor.always("width", box.width);
}

template <typename V, Is<User> S>
void fields(V& visitor, S& user) {
  visitor.always("uid", user.uid);
  visitor.always("gid", user.gid);
  visitor.field("umask", user.umask);
  visitor.field("additionalGids", user.additional_gids);
}

template <typename V, Is<Rlimit> S>
void fields(V& visitor, S& rlimit) {
  visitor.always("type", rlimit.type);
  visitor.always("hard", rlimit.hard);
  visitor.always("soft", rlimit.soft);
}

template <typename V, Is<Capabilities> S>
void fields(V& visitor, S& capabilities) {
  visitor.field("bounding", capabilities.bounding);
  visitor.field("effective", capabilities.effective);
  visitor.field("inheritable", capabilities.inheritable);
  visitor.field("permitted", capabilities.permitted);
  visitor.field("ambient", capabilities.ambient);
}

template <typename V, Is<Scheduler> S>
void fields(V& visitor, S& scheduler) {
  visitor.always("policy", scheduler.policy);
  visitor.field("nice", scheduler.nice);
  visitor.field("priority", scheduler.priority);
  visitor.field("flags", scheduler.flags);
  visitor.field("runtime", scheduler.runtime);
  visitor.field("deadline", scheduler.deadline);
  visitor.field("period", scheduler.period);
}

template <typename V, Is<IoPriority> S>
void fields(V& visitor, S& priority) {
  visitor.always("class", priority.class_name);
  visitor.always("priority", priority.priority);
}

template <typename V, Is<ExecCpuAffinity> S>
void fields(V& visitor, S& affinity) {
  visitor.field("initial", affinity.initial);
  visitor.field("final", affinity.final_);
}

template <typename V, Is<Process> S>
void fields(V& visitor, S& process) {
  visitor.field("terminal", process.terminal);
  visitor.field("consoleSize", process.console_size);
  visitor.always("user", process.user);
  visitor.field("args", process.args);
  visitor.field("env", process.env);
  visitor.always("cwd", process.cwd);
  visitor.field("capabilities", process.capabilities);
  visitor.field("rlimits", process.rlimits);
  visitor.field("noNewPrivileges", process.no_new_privileges);
  visitor.field("apparmorProfile", process.apparmor_profile);
  visitor.field("oomScoreAdj", process.oom_score_adj);
  visitor.field("scheduler", process.scheduler);
  visitor.field("selinuxLabel", process.selinux_label);
  visitor.field("ioPriority", process.io_priority);
  visitor.field("execCPUAffinity", process.exec_cpu_affinity);
}

}  // namespace gabion::oci
