// Making the process that becomes a container's: clone3(2) with the right namespaces, directly where
// possible and through a go-between where a pid or time namespace must be entered first (both only
// take effect for children).
#pragma once

#include <sys/types.h>

#include <functional>

#include "base/result.h"
#include "container/channel.h"
#include "container/plan.h"

namespace gabion::container {

struct Child {
  pid_t pid = 0;  // a direct child of the caller, whichever way it was made
  Fd pidfd;
  Channel channel;  // the parent's end
};

// `body` runs in the child and its return value is the exit code; it never returns to the caller's
// code. The child is killed when the parent dies until outlive_parent(). `outside` is for
// Owner::kContainer: it runs in the go-between, before the user namespace is entered.
Result<Child> spawn(const NamespacePlan& namespaces, const std::function<Status()>& outside,
                    const std::function<int(Channel&)>& body);

// The same through a go-between that first does `enter` (joining namespaces that only take effect for
// children); its error is reported as the child's.
Result<Child> spawn_in(const std::function<Status()>& enter, const std::function<int(Channel&)>& body,
                       uint64_t clone_flags = 0, int into_cgroup = -1);

// In the child: die with the parent, and be closed to tracers. Changes of credentials, those of setfsuid(2)
// included, undo both (prctl(2)).
void guard_child();
void outlive_parent();

}  // namespace gabion::container
