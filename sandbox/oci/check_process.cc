// The rules of `process`, for create and exec alike.
#include <cstdint>

#include "oci/check_detail.h"
#include "oci/names.h"

namespace gabion::oci {

namespace {

using detail::at;
using detail::invalid;
using detail::is_absolute;
using detail::quoted;

Status check_env(const std::vector<std::string>& env) {
  for (size_t i = 0; i < env.size(); ++i) {
    size_t equals = env[i].find('=');
    if (equals == std::string::npos) {
      return invalid(at("process.env", i), "invalid environment variable: missing '='");
    }
    if (equals == 0) {
      return invalid(at("process.env", i), "invalid environment variable: name cannot be empty");
    }
  }
  return ok_status();
}

Status check_rlimits(const std::vector<Rlimit>& rlimits) {
  for (size_t i = 0; i < rlimits.size(); ++i) {
    const Rlimit& limit = rlimits[i];
    if (!names::contains(names::kRlimits, limit.type)) {
      return invalid(at("process.rlimits", i), "wrong rlimit value: " + quoted(limit.type));
    }
    if (limit.soft > limit.hard) {
      return invalid(at("process.rlimits", i), limit.type + ": soft limit is above the hard limit");
    }
    // At most sixteen types exist, so this looks back at most sixteen times.
    for (size_t j = 0; j < i; ++j) {
      if (rlimits[j].type == limit.type) {
        return invalid(at("process.rlimits", i), "duplicated rlimit " + limit.type);
      }
    }
  }
  return ok_status();
}

// sched_setattr(2): which parameters each policy has.
Status check_scheduler(const Scheduler& scheduler) {
  constexpr std::string_view kPath = "process.scheduler";
  if (scheduler.policy.empty()) return invalid("", "scheduler policy is required");
  if (!names::contains(names::kSchedulerPolicies, scheduler.policy)) {
    return invalid(kPath, "invalid scheduler policy: " + quoted(scheduler.policy));
  }
  const int32_t nice = scheduler.nice.value_or(0);
  if (nice < -20 || nice > 19) return invalid("", "invalid scheduler.nice: " + std::to_string(nice));
  const bool realtime = scheduler.policy == "SCHED_FIFO" || scheduler.policy == "SCHED_RR";
  const int32_t priority = scheduler.priority.value_or(0);
  if (priority != 0 && !realtime) {
    return invalid("", "scheduler.priority can only be specified for SchedFIFO or SchedRR policy");
  }
  if (priority < 0 || priority > 99) return invalid(kPath, "priority must be from 0 to 99");
  const bool has_deadline = scheduler.runtime.value_or(0) != 0 || scheduler.deadline.value_or(0) != 0 ||
                            scheduler.period.value_or(0) != 0;
  if (has_deadline && scheduler.policy != "SCHED_DEADLINE") {
    return invalid("", "scheduler runtime/deadline/period can only be specified for SchedDeadline policy");
  }
  for (const std::string& flag : scheduler.flags) {
    if (!names::contains(names::kSchedulerFlags, flag)) {
      return invalid(kPath, "unknown flag " + quoted(flag));
    }
  }
  return ok_status();
}

Status check_io_priority(const IoPriority& priority) {
  if (!names::contains(names::kIoPriorityClasses, priority.class_name)) {
    return invalid("", "invalid ioPriority.Class: " + quoted(priority.class_name));
  }
  // ioprio_set(2): eight levels per class.
  if (priority.priority < 0 || priority.priority > 7) {
    return invalid("", "invalid ioPriority.Priority: " + std::to_string(priority.priority));
  }
  return ok_status();
}

// "0-3,7", the list format of cpuset(7); checked here because the launch parses it late.
Status check_cpu_list(std::string_view path, std::string_view list) {
  if (list.find_first_not_of("0123456789-, ") != std::string_view::npos) {
    return invalid(path, "expected a list of CPUs such as \"0-3,7\", found " + quoted(list));
  }
  return ok_status();
}

}  // namespace

Status check_process(const Process& process) {
  if (process.cwd.empty()) return invalid("", "Cwd property must not be empty");
  if (!is_absolute(process.cwd)) return invalid("", "Cwd must be an absolute path");
  if (process.args.empty()) return invalid("", "args must not be empty");
  if (process.args.front().empty()) return invalid("process.args[0]", "must not be empty");
  TRY(check_env(process.env));
  TRY(check_rlimits(process.rlimits));
  if (process.oom_score_adj && (*process.oom_score_adj < -1000 || *process.oom_score_adj > 1000)) {
    return invalid("process.oomScoreAdj", "must be from -1000 to 1000");  // proc(5)
  }
  if (process.scheduler) TRY(check_scheduler(*process.scheduler));
  if (process.io_priority) TRY(check_io_priority(*process.io_priority));
  if (process.exec_cpu_affinity) {
    TRY(check_cpu_list("process.execCPUAffinity.initial", process.exec_cpu_affinity->initial));
    TRY(check_cpu_list("process.execCPUAffinity.final", process.exec_cpu_affinity->final_));
  }
  return ok_status();
}

}  // namespace gabion::oci
