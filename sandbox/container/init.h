// The container's first process, from clone3(2) to execve(2).
#pragma once

#include "base/fd.h"
#include "container/channel.h"
#include "container/container.h"
#include "container/plan.h"

namespace gabion::container {

struct InitInputs {
  bool parent_has_hooks = false;  // prestart or createRuntime: stop for the parent after the mounts
  int console_socket = -1;        // where the terminal's master goes
  int start_listener = -1;        // -1: kCommit itself is the start (run)
  int preserve_fds = 0;
  Info info;  // for the state document of hooks; pid and status are filled in
};

// Runs in the child; returns only when something failed, after telling the parent.
int init(Plan& plan, const InitInputs& inputs, Channel& channel);

}  // namespace gabion::container
