// What the operations of container.h share: a container's state as of now, and the audit record of
// an operation. Private to container/.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "audit/record.h"
#include "container/container.h"
#include "container/process.h"
#include "container/state.h"
#include "container/store.h"

namespace gabion::container {

struct Live {
  State state;
  ContainerStatus status = ContainerStatus::kStopped;
  std::optional<Process> init;  // absent: no process, or gone
  bool creator_gone = false;    // phase kCreating, and nobody holds the lock
};

// Reads the state and asks the kernel for the rest. `locked`: the caller holds the container's
// lock, so a creator can no longer be at work.
Result<Live> inspect(const Host& host, const Store& store, const std::string& id, bool locked);

Info info_of(const Live& live, const Store& store);

// "container.<operation>" with the container's and the policy's names.
audit::Record audit_record(const Host& host, std::string event, const State& state);

// Refused by policy: the record first, then the error with every reason.
Error refuse(const Host& host, audit::Record record, const std::vector<policy::Decision>& decisions);

// Kills what is left of a container and forgets it: processes, cgroup, id range, directory; runs
// the poststop hooks. The caller holds the lock. Every step is safe to repeat after a kill.
Status destroy(const Host& host, const Store& store, const Live& live);

inline bool has_cgroup(const Host& host, const State& state) {
  return !host.no_cgroups && !state.cgroup.directories.empty();
}

}  // namespace gabion::container
