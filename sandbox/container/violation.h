// What a monitor says of a denied call: who made it, and how often one may be told.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>

#include "audit/record.h"
#include "kernel/notify.h"
#include "kernel/seccomp_watch.h"

namespace gabion::container {

// A container decides how often it makes a call, and must not decide how fast the log grows, nor drown one
// call in the noise of another. So each call number has a budget of its own, and what goes beyond is counted.
class ViolationBudget {
 public:
  static constexpr unsigned kBurst = 5;
  static constexpr int64_t kRefillNs = 10'000'000'000;  // one more each

  // Whether a call may be told at the time `now_ns` (monotonic); if not, it is counted.
  bool take(uint32_t number, int64_t now_ns);
  // Calls of this number that were not told; counted from 0 again.
  uint64_t collect(uint32_t number);
  // The same for all numbers that have any.
  std::map<uint32_t, uint64_t> collect_all();

 private:
  struct Entry {
    unsigned left = kBurst;
    int64_t refilled_ns = 0;
    uint64_t untold = 0;
  };
  std::map<uint32_t, Entry> entries_;  // watched numbers only: some fifty
};

// "mount"; "call 999" where there is no name.
std::string call_name(uint32_t number);

// Facts from /proc. nullopt: the caller was gone before they could be told from another process's.
std::optional<audit::Violation> describe(const kernel::seccomp::Notification& call,
                                         const kernel::seccomp::Listener& listener,
                                         const kernel::seccomp::WatchedCall& watched, int error);

}  // namespace gabion::container
