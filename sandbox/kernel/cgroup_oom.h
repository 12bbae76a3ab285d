// Word of out-of-memory kills in a container's group, for `gabion events` and the shim.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/cgroup.h"

namespace gabion::kernel {

class OomNotifier {
 public:
  // Code::kUnsupported without a memory controller.
  static Result<OomNotifier> open(const CgroupLocation& location);

  // Readable (POLLIN) when `read_event` has something to say.
  [[nodiscard]] int fd() const { return events_.get(); }

  enum class Event {
    kNone,  // woken for another reason (v2: a limit was reached without a kill)
    kOom,   // the kernel ran out of memory for the group since the last call
    kGone,  // the group was removed, or (v2) has no process left: no more events will come
  };
  // Never blocks. Once woken, call it until it says kNone or kGone.
  Result<Event> read_event();

 private:
  OomNotifier() = default;

  Fd events_;   // v1: an eventfd(2); v2: an inotify(7) descriptor on memory.events
  Fd control_;  // v1: memory.oom_control, whose life keeps the registration
  std::string directory_;
  bool unified_ = false;
  uint64_t seen_ = 0;  // v2: the kills counted so far
};

}  // namespace gabion::kernel
