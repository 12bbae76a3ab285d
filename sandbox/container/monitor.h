// The monitor: a process beside a container whose policy answers violations, and whose runtime does not stay
// with it. It does what watcher.h says. A call that is allowed never comes here and costs nothing.
//
// It needs nothing of the container and gives it nothing. Should it die, the kernel detaches the listener
// from its filters, and the calls fail with ENOSYS instead (seccomp_unotify(2)). The kernel would then let a
// task of the container have a listener of its own (no EBUSY any more), and of two filters that ask, the
// newer one's is asked, which may answer SECCOMP_USER_NOTIF_FLAG_CONTINUE; no other filter denies the calls,
// because they were left to this one (leave_to()). So the watching profile itself denies seccomp(2) a new
// listener. Then what is lost is the evidence, and what `freeze` and `kill` would have done: a container that
// must end with its monitor needs somebody who looks (docs/threat-model.md).
//
//     runtime                            container's process            monitor
//       │ monitor_ends()                   │                              │
//       │ spawn() ────────────────────────▶│ mounts ...                   │
//       │ start_monitor() ─────────────────┼─────────────────────────────▶│ "monitor.start" in the log
//       │                                  │ filters, listener ──────────▶│
//       │                                  │ ◀─────────────────────── ack │ listens
//       │                                  │ execve(2)                    │
//     exec: connect_monitor() ───────▶ the same for its own filters ─────▶│
//
// It ends by itself: when the container's first process has ended and nobody has a filter of its any more.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "container/container.h"
#include "container/state.h"
#include "container/watcher.h"

namespace gabion::container {

// Before the container's process is made, which inherits `container`.
struct MonitorEnds {
  Fd container;  // what ProcessPlan::monitor is
  WatcherEnds watcher;
};
Result<MonitorEnds> monitor_ends(const std::string& state_directory);

// A child of the caller. `init_pidfd`: of the container's first process. An error when it has ended already.
Result<MonitorProcess> start_monitor(const Host& host, const State& state, WatcherEnds ends, int init_pidfd);

// "monitor.start" in the audit log: whoever listens is about to. An error means that nobody may.
Status announce_monitor(const Host& host, const State& state, pid_t pid);

// For exec: the process's own ProcessPlan::monitor.
Result<Fd> connect_monitor(const std::string& state_directory);

// After the container's processes: waits a little for its last lines, then ends it.
void end_monitor(const MonitorProcess& monitor);

}  // namespace gabion::container
