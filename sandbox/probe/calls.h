// Whether a system call gets past seccomp, without making it.
//
// A filter of the probe's own is put on top of those in force; it hands every call to this process. The
// kernel takes the strictest answer of all filters (seccomp(2): KILL, TRAP and ERRNO come before
// USER_NOTIF), so a call that arrives here is one that all others let through, and is answered in the
// kernel's place. So every number can be tried, reboot(2) and exit(2) among them, and an EPERM can be told
// from one for want of a capability.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/result.h"

namespace gabion::probe {

struct Call {
  uint32_t number = 0;
  bool compat = false;  // by int $0x80, as an i386 program
  std::array<uint64_t, 6> arguments{};
};

struct Answer {
  enum class Kind : uint8_t {
    kUnknown,
    kReached,  // past every filter
    kRefused,  // a filter answered with `error`
    kKilled,
    kNoSuchConvention,  // the kernel has no entry for i386
  };
  Kind kind = Kind::kUnknown;
  int error = 0;
};

// One answer a call, in order. Fails where a filter with a listener is not to be had: somebody else's is in
// force already (EBUSY), or seccomp(2) itself is refused.
Result<std::vector<Answer>> try_calls(const std::vector<Call>& calls);

}  // namespace gabion::probe
