#include <fcntl.h>
#include <linux/capability.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <vector>

#include "base/path.h"
#include "base/text.h"
#include "container/plan.h"
#include "kernel/notify.h"
#include "kernel/seccomp_cache.h"
#include "kernel/seccomp_watch.h"
#include "kernel/socket.h"

namespace gabion::container {

namespace {

// Names this libcap or kernel does not know are left out, as runc does: they cannot be given, and a
// spec written for a newer kernel must still run. Leaving out is never a widening.
kernel::CapabilitySet capability_set(const std::vector<std::string>& names, kernel::CapabilitySet known) {
  kernel::CapabilitySet set = 0;
  for (const std::string& name : names) {
    if (const auto number = kernel::capability_number(name)) set |= kernel::CapabilitySet{1} << *number;
  }
  return set & known;
}

Status check_lsm(const oci::Process& process) {
  auto missing = [](std::string_view field, std::string_view lsm, const char* proof) -> Status {
    if (open_path(proof, O_PATH).ok()) return ok_status();
    return make_error(Code::kUnsupported,
                      concat({field, " is set, but ", lsm, " is not enabled on this host"}));
  };
  if (!process.apparmor_profile.empty() && process.apparmor_profile != "unconfined") {
    TRY(missing("process.apparmorProfile", "AppArmor", "/sys/kernel/security/apparmor"));
  }
  if (!process.selinux_label.empty())
    TRY(missing("process.selinuxLabel", "SELinux", "/sys/fs/selinux/enforce"));
  return ok_status();
}

Result<kernel::seccomp::Filter> translate(const oci::Seccomp& spec) {
  kernel::seccomp::Filter filter;
  const uint32_t default_errno = spec.default_errno_ret.value_or(EPERM);
  filter.default_action = TRY(kernel::seccomp::action_from_name(spec.default_action, default_errno));
  filter.bad_arch_action = TRY(kernel::seccomp::action_from_name("SCMP_ACT_KILL_PROCESS", 0));
  // As runc: a program that probes for a call newer than the filter's author falls back on ENOSYS,
  // and would be misled by EPERM or killed. A default that lets calls through needs no such help.
  const std::string& fallback = spec.default_action;
  filter.enosys_for_unknown = fallback != "SCMP_ACT_ALLOW" && fallback != "SCMP_ACT_LOG" &&
                              fallback != "SCMP_ACT_TRACE" &&
                              !(fallback == "SCMP_ACT_ERRNO" && default_errno == ENOSYS);
  for (const std::string& name : spec.architectures) {
    const uint32_t architecture = TRY(kernel::seccomp::architecture_from_name(name));
    filter.architectures.push_back(architecture);
  }
  for (const oci::SeccompSyscall& syscall : spec.syscalls) {
    kernel::seccomp::Rule rule;
    rule.names = syscall.names;
    rule.action = TRY(kernel::seccomp::action_from_name(syscall.action, syscall.errno_ret.value_or(EPERM)));
    for (const oci::SeccompArg& arg : syscall.args) {
      const kernel::seccomp::Compare compare = TRY(kernel::seccomp::compare_from_name(arg.op));
      rule.conditions.push_back({arg.index, compare, arg.value, arg.value_two});
    }
    filter.rules.push_back(std::move(rule));
  }
  return filter;
}

// The built-in profile for a container whose policy answers some violations; nullopt: it answers none.
std::optional<kernel::seccomp::WatchingProfile> watching_for(const policy::Controls& controls,
                                                             kernel::CapabilitySet bounding) {
  std::vector<std::string_view> kinds;
  for (const std::string_view kind : policy::kViolationKinds) {
    if (controls.violations.answer(kind) != policy::Answer::kOff) kinds.push_back(kind);
  }
  if (kinds.empty()) return std::nullopt;
  const bool raw_sockets = ((bounding >> CAP_NET_RAW) & 1U) != 0;
  const kernel::seccomp::WatchingProfile* profile =
      kernel::seccomp::watching_profile(controls.seccomp_profile, raw_sockets);
  if (profile == nullptr) return std::nullopt;
  return kernel::seccomp::listening_for(*profile, kinds);
}

}  // namespace

Result<std::vector<ProcessPlan::Filter>> make_filters(const std::optional<oci::Seccomp>& spec_filter,
                                                      const policy::Controls& controls,
                                                      kernel::CapabilitySet bounding) {
  using Listener = ProcessPlan::Filter::Listener;
  std::vector<ProcessPlan::Filter> filters;
  const std::string& builtin = controls.seccomp_profile;
  const std::optional<kernel::seccomp::WatchingProfile> watching = watching_for(controls, bounding);
  const kernel::seccomp::Watch* watch = watching ? &watching->watch : nullptr;
  if (!builtin.empty()) {
    const kernel::seccomp::Program* program =
        watching ? &watching->program : kernel::seccomp::builtin_profile(builtin);
    if (program == nullptr) {
      return make_error(Code::kInvalid, concat({"seccomp: this build has no profile named ", builtin}));
    }
    if (watching) {
      filters.push_back({*program, kernel::seccomp::kWaitKillableRecv, Listener::kMonitor});
    } else {
      filters.push_back({*program, 0, Listener::kNone});
    }
  }
  for (const policy::PinnedFilter& pinned : controls.seccomp_filters) {
    const std::string what = concat({"seccompFilters: ", pinned.file});
    const kernel::seccomp::Filter rules = TRY_AT(translate(pinned.filter), what);
    ProcessPlan::Filter filter;
    filter.program = TRY_AT(kernel::seccomp::compile_cached(rules, watch), what);
    filters.push_back(std::move(filter));
  }
  if (spec_filter && !spec_filter->default_action.empty()) {
    ProcessPlan::Filter filter;
    const kernel::seccomp::Filter rules = TRY_AT(translate(*spec_filter), "linux.seccomp");
    filter.program = TRY_AT(kernel::seccomp::compile_cached(rules, watch), "linux.seccomp");
    for (const std::string& name : spec_filter->flags) {
      const uint32_t flag = TRY_AT(kernel::seccomp::flag_from_name(name), "linux.seccomp.flags");
      filter.flags |= flag;
    }
    const bool notify =
        !spec_filter->listener_path.empty() ||
        std::any_of(spec_filter->syscalls.begin(), spec_filter->syscalls.end(),
                    [](const oci::SeccompSyscall& rule) { return rule.action == "SCMP_ACT_NOTIFY"; });
    if (notify) filter.listener = Listener::kAgent;
    if (notify && watching) {
      // The kernel gives a process one listener (EBUSY).
      return make_error(
          Code::kUnsupported,
          "violations: linux.seccomp has a listener of its own (SCMP_ACT_NOTIFY, listenerPath), and "
          "a process can have only one; set the rule seccomp.listener to rewrite or refuse, or "
          "violations to off");
    }
    // The stricter of two filters wins whichever comes first; the spec's goes last because it may
    // forbid seccomp(2) itself.
    filters.push_back(std::move(filter));
  }
  return filters;
}

Status connect_listener(ProcessPlan& process, const std::optional<oci::Seccomp>& spec_filter) {
  if (!spec_filter || spec_filter->listener_path.empty()) return ok_status();
  process.listener = TRY_AT(kernel::connect_unix(spec_filter->listener_path), "linux.seccomp.listenerPath");
  process.listener_metadata = spec_filter->listener_metadata;
  return ok_status();
}

std::string listener_state(const std::string& metadata, pid_t pid, const json::Value& state) {
  json::Value document = json::Value::object();
  if (const json::Value* version = state.find("ociVersion")) document.set("ociVersion", *version);
  json::Value descriptors = json::Value::array();
  descriptors.push(json::Value::string("seccompFd"));
  document.set("fds", std::move(descriptors));
  document.set("pid", json::Value::integer(pid));
  if (!metadata.empty()) document.set("metadata", json::Value::string(metadata));
  document.set("state", state);
  return json::write(document);
}

Result<ProcessPlan> make_process_plan(const oci::Process& process, bool own_stdio) {
  TRY(check_lsm(process));
  ProcessPlan plan;
  plan.args = process.args;
  plan.env = process.env;
  plan.cwd = process.cwd;
  plan.uid = process.user.uid;
  plan.gid = process.user.gid;
  plan.groups.assign(process.user.additional_gids.begin(), process.user.additional_gids.end());
  if (process.user.umask) plan.umask = *process.user.umask;
  const kernel::CapabilitySet all = kernel::all_capabilities();
  if (process.capabilities) {
    plan.capabilities.bounding = capability_set(process.capabilities->bounding, all);
    plan.capabilities.effective = capability_set(process.capabilities->effective, all);
    plan.capabilities.permitted = capability_set(process.capabilities->permitted, all);
    plan.capabilities.inheritable = capability_set(process.capabilities->inheritable, all);
    plan.capabilities.ambient = capability_set(process.capabilities->ambient, all);
    // capset(2) refuses effective beyond permitted, and the kernel ambient beyond both.
    plan.capabilities.effective &= plan.capabilities.permitted;
    plan.capabilities.ambient &= plan.capabilities.permitted & plan.capabilities.inheritable;
  }
  plan.no_new_privileges = process.no_new_privileges;
  for (const oci::Rlimit& limit : process.rlimits)
    plan.limits.push_back({limit.type, limit.soft, limit.hard});
  plan.oom_score_adj = process.oom_score_adj;
  if (process.scheduler) {
    plan.scheduling.policy = process.scheduler->policy;
    plan.scheduling.flags = process.scheduler->flags;
    plan.scheduling.nice = process.scheduler->nice.value_or(0);
    plan.scheduling.priority = process.scheduler->priority.value_or(0);
    plan.scheduling.runtime = process.scheduler->runtime.value_or(0);
    plan.scheduling.deadline = process.scheduler->deadline.value_or(0);
    plan.scheduling.period = process.scheduler->period.value_or(0);
  }
  if (process.io_priority) {
    plan.io_class = process.io_priority->class_name;
    plan.io_priority = process.io_priority->priority;
  }
  if (process.exec_cpu_affinity) {
    plan.initial_affinity = process.exec_cpu_affinity->initial;
    plan.final_affinity = process.exec_cpu_affinity->final_;
  }
  plan.apparmor_profile = process.apparmor_profile;
  plan.selinux_label = process.selinux_label;
  plan.terminal = process.terminal;
  if (process.console_size) {
    plan.rows = static_cast<uint16_t>(process.console_size->height);
    plan.columns = static_cast<uint16_t>(process.console_size->width);
  }
  plan.own_stdio = own_stdio;
  return plan;
}

}  // namespace gabion::container
