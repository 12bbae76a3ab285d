// Making the process that becomes a container's: clone3(2) with the right namespaces, directly where
// possible and through a go-between where a pid or time namespace must be entered first (both only
// take effect for children).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <vector>

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

// fork(2) with clone3(2)'s choices: 0 in the child. Single-threaded, so nothing but this thread is carried
// over.
struct CloneOptions {
  uint64_t flags = 0;
  int into_cgroup = -1;         // cgroup2 directory; -1: the caller's
  int* pidfd = nullptr;         // asked for when set
  pid_t* parent_tid = nullptr;  // for CLONE_PARENT_SETTID
};
Result<pid_t> clone_process(const CloneOptions& options);

// Closes every descriptor but the standard streams, the preserved ones and `keep` (-1 among them is nothing).
// A process that may wait for `start` for days must hold nothing of the runtime: a lock (flock(2) belongs to
// the open file, which fork(2) shares), a descriptor of the host, a socket the engine leaked.
Status close_all_but(int preserve_fds, std::vector<int> keep);

// Whether a child has ended within that time; -1: for ever.
bool wait_end(const Child& child, int timeout_ms);
// Ends a child and reaps it; not for ever, where something keeps it from ending: a frozen cgroup v1, or a
// tracer in the container that does not let go of what is left of it. The signal stays pending, and whoever
// inherits the child reaps it.
void put_down(const Child& child);

// In the child: die with the parent, and be closed to tracers. Changes of credentials, those of setfsuid(2)
// included, undo both (prctl(2)).
void guard_child();
void outlive_parent();

}  // namespace gabion::container
