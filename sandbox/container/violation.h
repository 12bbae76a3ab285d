// What a monitor says of a denied call: who made it, and how often one may be told.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>

#include "audit/record.h"
#include "kernel/notify.h"
#include "kernel/seccomp_watch.h"

namespace gabion::container {

// A container decides how often it makes a call, and must not decide how fast the log grows, nor drown one
// call in the noise of another. So each call number has a budget of its own, all of them together have
// another, and what goes beyond is counted. The first call of a number is always told.
class ViolationBudget {
 public:
  static constexpr unsigned kBurst = 5;
  static constexpr unsigned kContainerBurst = 50;
  static constexpr int64_t kRefillNs = 10'000'000'000;  // one more each

  // Whether a call may be told at the time `now_ns` (monotonic); if not, it is counted.
  bool take(uint32_t number, int64_t now_ns);
  // Calls of this number that were not told; counted from 0 again.
  uint64_t collect(uint32_t number);
  // The same for all numbers that have any.
  std::map<uint32_t, uint64_t> collect_all();

 private:
  struct Bucket {
    unsigned size = 0;
    unsigned left = 0;
    int64_t refilled_ns = 0;
    void refill(int64_t now_ns);
  };
  struct Entry {
    Bucket own;
    uint64_t untold = 0;
  };
  std::map<uint32_t, Entry> entries_;  // watched numbers only: some fifty
  Bucket all_;
};

// "mount"; "call 999" where there is no name.
std::string call_name(uint32_t number);

// What the kernel says of the call, and from /proc who made it: left out when the caller was gone before it
// could be told from another process.
audit::Violation describe(const kernel::seccomp::Notification& call,
                          const kernel::seccomp::Listener& listener,
                          const kernel::seccomp::WatchedCall& watched, int error);

}  // namespace gabion::container
