// What the operations of container.h share: a container's state as of now, and the audit record of
// an operation. Private to container/.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
};

// Reads the state and asks the kernel for the rest. `locked`: the caller holds the container's
// lock, so a container still in phase kCreating has lost its creator, and counts as stopped.
Result<Live> inspect(const Store& store, const std::string& id, bool locked);

Info info_of(const Live& live, const Store& store);

// Outcome "allow", with the container's and the policy's names.
audit::Record audit_record(const Host& host, std::string event, const State& state);

// Writes the record; an error means that the operation must not happen.
Status append_audit(const Host& host, const audit::Record& record);

// For kill and delete: stopping a container is never refused for want of a log.
void append_audit_or_debug(const Host& host, const audit::Record& record);

// Policy says no: `record` is written as "policy.deny" with every decision; the error has the reasons.
Error refuse(const Host& host, audit::Record record, const std::vector<policy::Decision>& decisions);

// What was announced did not happen: a second record, outcome "error", with the reason. A refusal
// has its own record already. The result is passed through.
Error record_failure(const Host& host, const audit::Record& announced, Error error);

template <typename T>
Result<T> with_outcome(const Host& host, const audit::Record& announced, Result<T> result) {
  if (result.ok()) return result;
  return record_failure(host, announced, std::move(result).error());
}

void debug(const Host& host, std::string_view text);

// Ends what is left of a container and forgets it: processes, cgroup, id range, poststop hooks,
// directory. The caller holds the lock. Every step may be repeated after a kill half-way.
Status destroy(const Host& host, const Store& store, const Live& live);

// False: it was created with cgroups disabled.
inline bool has_cgroup(const State& state) { return !state.cgroup.directories.empty(); }

}  // namespace gabion::container
