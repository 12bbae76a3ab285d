// What `gabion profile record` listens with: a filter that hands every system call of a container to a
// process beside it, which notes the number and lets the call go on.
//
// A recording, not a control. The other filters stay stacked, the kernel takes the strictest answer of all,
// and SECCOMP_RET_ERRNO is stricter than SECCOMP_RET_USER_NOTIF: what they deny stays denied and is never
// seen here, and their checks of arguments hold. Private to container/.
#pragma once

#include <sys/types.h>

#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "container/plan.h"
#include "container/profile_document.h"
#include "oci/spec.h"

namespace gabion::container {

// A process of its own, because the runtime waits for its child to execute while that very call waits for an
// answer. Killed, the runtime leaves neither it nor the container behind.
class Recorder {
 public:
  // Before the runtime holds any lock or thread: the process is a fork of it.
  static Result<Recorder> start();
  Recorder(Recorder&& other) noexcept;
  Recorder(const Recorder&) = delete;
  Recorder& operator=(Recorder&&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  ~Recorder();

  // Where the container's first process sends its listener; borrowed.
  [[nodiscard]] int socket() const { return socket_.get(); }

  // After the container's end: what it called, from its execve(2) on. Code::kInternal when the recorder
  // never got a listener; otherwise why it could not go on.
  Result<CallSet> finish();

 private:
  Recorder() = default;
  pid_t pid_ = 0;  // an unreaped child
  Fd socket_;      // closed here and in the container, it tells the recorder that the container has ended
  Fd report_;
};

// Puts the recording filter before all others, its listener to be sent over `socket` (borrowed). First,
// because the next ones may forbid seccomp(2); what the runtime itself calls until execve(2) is not noted.
// Code::kInvalid: a filter has a listener already, or passes calls to a tracer.
Status add_recording(ProcessPlan& process, const std::optional<oci::Seccomp>& spec_filter, int socket);

}  // namespace gabion::container
