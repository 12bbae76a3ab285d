#include "kernel/attributes.h"

#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

namespace gabion::kernel {

namespace {

struct NamedNumber {
  std::string_view name;
  int number;
};

constexpr NamedNumber kLimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

constexpr NamedNumber kPolicies[] = {
    {"SCHED_OTHER", SCHED_OTHER}, {"SCHED_FIFO", SCHED_FIFO}, {"SCHED_RR", SCHED_RR},
    {"SCHED_BATCH", SCHED_BATCH}, {"SCHED_IDLE", SCHED_IDLE}, {"SCHED_DEADLINE", SCHED_DEADLINE},
};

constexpr NamedNumber kFlags[] = {
    {"SCHED_FLAG_RESET_ON_FORK", 0x01},  {"SCHED_FLAG_RECLAIM", 0x02},
    {"SCHED_FLAG_DL_OVERRUN", 0x04},     {"SCHED_FLAG_KEEP_POLICY", 0x08},
    {"SCHED_FLAG_KEEP_PARAMS", 0x10},    {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40},
};

// <linux/mempolicy.h>; the last mode is Linux 6.9's.
constexpr NamedNumber kMemoryModes[] = {
    {"MPOL_DEFAULT", 0},
    {"MPOL_PREFERRED", 1},
    {"MPOL_BIND", 2},
    {"MPOL_INTERLEAVE", 3},
    {"MPOL_LOCAL", 4},
    {"MPOL_PREFERRED_MANY", 5},
    {"MPOL_WEIGHTED_INTERLEAVE", 6},
};
constexpr NamedNumber kMemoryFlags[] = {
    {"MPOL_F_STATIC_NODES", 1 << 15},
    {"MPOL_F_RELATIVE_NODES", 1 << 14},
    {"MPOL_F_NUMA_BALANCING", 1 << 13},
};

// ioprio_set(2). <linux/ioprio.h> is no C++: since Linux 6.6 it has a parameter named "class".
constexpr int kIoClassShift = 13;
constexpr int kIoWhoProcess = 1;
constexpr NamedNumber kIoClasses[] = {
    {"IOPRIO_CLASS_RT", 1},
    {"IOPRIO_CLASS_BE", 2},
    {"IOPRIO_CLASS_IDLE", 3},
};

// struct sched_attr of sched_setattr(2), first version: <linux/sched/types.h> cannot be included beside
// glibc's <sched.h> (both define sched_param).
struct SchedulerAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime;
  uint64_t deadline;
  uint64_t period;
};
static_assert(sizeof(SchedulerAttributes) == 48);

template <size_t N>
std::optional<int> number_of(const NamedNumber (&table)[N], std::string_view name) {
  for (const NamedNumber& entry : table) {
    if (entry.name == name) return entry.number;
  }
  return std::nullopt;
}

}  // namespace

std::optional<int> limit_number(std::string_view name) { return number_of(kLimits, name); }

Status set_limits(const std::vector<Limit>& limits) {
  for (const Limit& limit : limits) {
    const std::optional<int> number = limit_number(limit.name);
    if (!number) return make_error(Code::kInvalid, concat({"unknown resource limit ", limit.name}));
    const rlimit64 value{.rlim_cur = limit.soft, .rlim_max = limit.hard};
    if (::prlimit64(0, static_cast<__rlimit_resource>(*number), &value, nullptr) != 0) {
      return sys_error(
          concat({"set ", limit.name, " to ", std::to_string(limit.soft), ":", std::to_string(limit.hard)}));
    }
  }
  return ok_status();
}

Status set_scheduling(const Scheduling& scheduling, pid_t pid) {
  if (scheduling.policy.empty()) return ok_status();
  const std::optional<int> policy = number_of(kPolicies, scheduling.policy);
  if (!policy) return make_error(Code::kInvalid, concat({"unknown scheduler policy ", scheduling.policy}));
  SchedulerAttributes attributes{};
  attributes.size = sizeof(attributes);
  attributes.policy = static_cast<uint32_t>(*policy);
  attributes.nice = scheduling.nice;
  attributes.priority = static_cast<uint32_t>(scheduling.priority);
  attributes.runtime = scheduling.runtime;
  attributes.deadline = scheduling.deadline;
  attributes.period = scheduling.period;
  for (const std::string& name : scheduling.flags) {
    const std::optional<int> flag = number_of(kFlags, name);
    if (!flag) return make_error(Code::kInvalid, concat({"unknown scheduler flag ", name}));
    attributes.flags |= static_cast<uint64_t>(*flag);
  }
  if (::syscall(SYS_sched_setattr, pid, &attributes, 0) != 0) return sys_error("set the scheduler");
  return ok_status();
}

Status set_memory_policy(const MemoryPolicy& policy) {
  constexpr uint64_t kNodes = 1024;  // the largest NODES_SHIFT of any architecture
  constexpr uint64_t kBits = 8 * sizeof(unsigned long);
  const std::optional<int> mode = number_of(kMemoryModes, policy.mode);
  if (!mode) return make_error(Code::kInvalid, concat({"unknown mode \"", policy.mode, "\""}));
  int value = *mode;
  for (const std::string& name : policy.flags) {
    const std::optional<int> flag = number_of(kMemoryFlags, name);
    if (!flag) return make_error(Code::kInvalid, concat({"unknown flag ", name}));
    value |= *flag;
  }
  unsigned long mask[kNodes / kBits] = {};
  if (!policy.nodes.empty()) {
    for (std::string_view range : split(policy.nodes, ',')) {
      const std::vector<std::string_view> ends = split(trim(range), '-');
      const std::optional<uint64_t> first = parse_unsigned(ends.front(), kNodes - 1);
      const std::optional<uint64_t> last = parse_unsigned(ends.back(), kNodes - 1);
      if (ends.size() > 2 || !first || !last || *first > *last) {
        return make_error(Code::kInvalid,
                          concat({"nodes \"", policy.nodes, "\" is not a list such as 0-3,7"}));
      }
      for (uint64_t node = *first; node <= *last; ++node) mask[node / kBits] |= 1UL << (node % kBits);
    }
  }
  // The kernel reads one bit less than it is told (set_mempolicy(2), BUGS).
  if (::syscall(SYS_set_mempolicy, value, policy.nodes.empty() ? nullptr : mask, kNodes + 1) != 0) {
    return sys_error(concat({"set ", policy.mode, policy.nodes.empty() ? "" : " on nodes ", policy.nodes}));
  }
  return ok_status();
}

Status set_io_priority(std::string_view class_name, int priority) {
  const std::optional<int> io_class = number_of(kIoClasses, class_name);
  if (!io_class) return make_error(Code::kInvalid, concat({"unknown I/O priority class ", class_name}));
  const int value = (*io_class << kIoClassShift) | priority;
  if (::syscall(SYS_ioprio_set, kIoWhoProcess, 0, value) != 0) return sys_error("set the I/O priority");
  return ok_status();
}

Status set_cpu_affinity(std::string_view cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (std::string_view range : split(cpus, ',')) {
    const std::vector<std::string_view> ends = split(trim(range), '-');
    const std::optional<uint64_t> first = parse_unsigned(ends.front(), CPU_SETSIZE - 1);
    const std::optional<uint64_t> last = parse_unsigned(ends.back(), CPU_SETSIZE - 1);
    if (ends.size() > 2 || !first || !last || *first > *last) {
      return make_error(Code::kInvalid, concat({"CPU list \"", cpus, "\" is not a list such as 0-3,7"}));
    }
    for (uint64_t cpu = *first; cpu <= *last; ++cpu) CPU_SET(cpu, &set);
  }
  if (::sched_setaffinity(0, sizeof(set), &set) != 0)
    return sys_error(concat({"set the CPU affinity to ", cpus}));
  return ok_status();
}

Status set_personality(std::string_view domain) {
  unsigned long value = PER_LINUX;
  if (domain == "LINUX32") {
    value = PER_LINUX32;
  } else if (domain != "LINUX") {
    return make_error(Code::kInvalid, concat({"unknown personality domain ", domain}));
  }
  if (::personality(value) < 0) return sys_error("set the personality");
  return ok_status();
}

void reset_signals() {
  // The system call itself: glibc keeps 32 and 33 to itself and refuses them (EINVAL), but a caller may
  // have left them ignored. All zero is SIG_DFL without flags in the kernel's struct sigaction.
  const unsigned long by_default[4] = {};
  for (int number = 1; number <= 64; ++number) {
    (void)::syscall(SYS_rt_sigaction, number, by_default, nullptr, 8);
  }
  sigset_t none;
  (void)::sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
}

Status join_new_session_keyring(const std::string& name) {
  // ENOSYS: a kernel without keyrings has no caller's keys to hide. EDQUOT is real: the quota is per
  // user, and the container's user is its own.
  if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.c_str()) >= 0 || errno == ENOSYS) {
    return ok_status();
  }
  return sys_error("join a new session keyring");
}

}  // namespace gabion::kernel
