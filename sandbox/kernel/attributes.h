// A process's attributes other than its credentials: limits, scheduling, personality.
// Each needs the host's privileges where it raises something, so they are set before the process
// enters its user namespace.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gabion::kernel {

struct Limit {
  std::string name;  // "RLIMIT_NOFILE"
  uint64_t soft = 0;
  uint64_t hard = 0;
};
std::optional<int> limit_number(std::string_view name);
Status set_limits(const std::vector<Limit>& limits);

struct Scheduling {
  std::string policy;  // "SCHED_FIFO"; "" leave
  std::vector<std::string> flags;
  int32_t nice = 0;
  int32_t priority = 0;
  uint64_t runtime = 0;
  uint64_t deadline = 0;
  uint64_t period = 0;
};
// `pid` 0: the caller.
Status set_scheduling(const Scheduling& scheduling, pid_t pid = 0);

// set_mempolicy(2); inherited by what the process executes and forks.
struct MemoryPolicy {
  std::string mode;   // "MPOL_BIND"
  std::string nodes;  // "0-3,7" or ""
  std::vector<std::string> flags;
};
Status set_memory_policy(const MemoryPolicy& policy);

Status set_io_priority(std::string_view class_name, int priority);  // "IOPRIO_CLASS_BE", 0 to 7
// "0-3,7" as cpuset has it.
Status set_cpu_affinity(std::string_view cpus);
// "LINUX" or "LINUX32".
Status set_personality(std::string_view domain);

// Every signal at its default and none blocked: SIG_IGN and the mask survive execve(2), and what the
// caller ignores must not be ignored in a container or a hook. Async-signal-safe.
void reset_signals();

// Anonymous session keyring, so that the container does not hold the caller's keys.
Status join_new_session_keyring(const std::string& name);

}  // namespace gabion::kernel
