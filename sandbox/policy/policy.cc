#include "policy/policy.h"

namespace gabion::policy {

uint64_t MemorySize::of(uint64_t total) const {
  if (percent == 0) return bytes;
  // Whole pages: the kernel rounds down, and a limit read back must equal the one asked for.
  constexpr uint64_t kPage = 4096;
  return total / 100 * percent / kPage * kPage;
}

}  // namespace gabion::policy
