#include "audit/clock.h"

#include <ctime>

#include "base/file.h"
#include "base/text.h"

namespace gabion::audit {

uint64_t boot_time_ns() {
  timespec now{};
  (void)::clock_gettime(CLOCK_BOOTTIME, &now);  // cannot fail for this clock
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(now.tv_nsec);
}

std::string boot_id() {
  const Result<std::string> text = read_file("/proc/sys/kernel/random/boot_id", 64);
  return text.ok() ? std::string(trim(text.value())) : std::string();
}

}  // namespace gabion::audit
