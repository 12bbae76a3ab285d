// What is remembered of a container between two calls, as data and as JSON. state.json holds it; the
// hardened config is beside it in config.json.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "container/container.h"
#include "container/landlock_rules.h"
#include "kernel/cgroup.h"
#include "oci/spec.h"
#include "policy/harden.h"

namespace gabion::container {

// A child of the runtime that made the container; see monitor.h.
struct MonitorProcess {
  pid_t pid = 0;            // 0: none
  uint64_t start_time = 0;  // as State::init_start_time; never 0 where there is one
};

struct State {
  std::string id;
  std::string oci_version;
  std::string bundle;   // absolute
  std::string rootfs;   // absolute
  std::string created;  // RFC 3339
  // What the last writer knew: kCreating until init has reported ready, kCreated until `start` was
  // answered. Whether the process still lives is asked of the kernel, never of this file.
  ContainerStatus phase = ContainerStatus::kCreating;
  pid_t init_pid = 0;             // in the runtime's pid namespace; 0: none yet
  uint64_t init_start_time = 0;   // clock ticks since boot, /proc/PID/stat field 22: tells pid reuse
  MonitorProcess monitor;         // pid 0: none
  kernel::CgroupLocation cgroup;  // empty: cgroups disabled
  uint32_t id_base = 0;           // first host id of the container's range; size 0: no user namespace
  uint32_t id_size = 0;
  bool recorded = false;          // by `gabion profile record`, which could not see what exec adds
  bool own_pid_namespace = true;  // false: kill and delete must reach every process by the cgroup
  std::string policy;             // name and hash of the policy it was hardened with
  std::string policy_sha256;
  policy::Controls controls;
  std::vector<LandlockPlace> landlock;  // where the first process found them: their mounts are known
  std::vector<std::pair<std::string, std::string>> annotations;
  oci::Hooks hooks;  // poststart and poststop, as hardened
};

json::Value write_state(const State& state);
Result<State> read_state(const json::Value& document);

}  // namespace gabion::container
