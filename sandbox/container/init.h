// The container's first process, from clone3(2) to execve(2).
#pragma once

#include <optional>

#include "base/fd.h"
#include "container/channel.h"
#include "container/container.h"
#include "container/plan.h"
#include "kernel/cgroup.h"

namespace gabion::container {

struct InitInputs {
  bool parent_has_hooks = false;  // prestart or createRuntime: stop for the parent after the mounts
  int console_socket = -1;        // where the terminal's master goes
  int start_listener = -1;        // -1: kCommit itself is the start (run)
  int preserve_fds = 0;
  // On a host with v1 hierarchies: what the parent makes while this process mounts. It joins at kGrouped.
  std::optional<kernel::CgroupLocation> late_cgroup;
  Info info;  // for the state document of hooks; pid and status are filled in
};

// For a container that owns its namespaces (NamespacePlan::Owner::kContainer): all that only the host's
// root may do, in the go-between and before it enters the user namespace. The child inherits cgroups,
// limits and scheduling.
Status prepare_outside(Plan& plan);

// Runs in the child; returns only when something failed, after telling the parent.
int init(Plan& plan, const InitInputs& inputs, Channel& channel);

}  // namespace gabion::container
