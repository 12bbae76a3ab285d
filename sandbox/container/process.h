// A process named safely: pidfd + pid + start time, so that a recycled pid is never signalled.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::container {

class Process {
 public:
  // Code::kNotFound when the pid is gone, is a zombie, or belongs to a later process. start_time 0
  // skips that check (a child the caller has not reaped).
  static Result<Process> open(pid_t pid, uint64_t start_time);

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  Status signal(int number) const;                             // pidfd_send_signal(2)
  [[nodiscard]] Result<bool> wait_exit(int timeout_ms) const;  // true: exited; -1 waits for ever

 private:
  Process() = default;
  pid_t pid_ = 0;
  Fd pidfd_;
};

// /proc/PID/stat field 22 and state; Code::kNotFound when gone. A zombie counts as gone.
Result<uint64_t> process_start_time(pid_t pid);

}  // namespace gabion::container
