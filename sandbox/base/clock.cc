#include "base/clock.h"

#include <time.h>

namespace gabion {

namespace {

int64_t read_ns(clockid_t clock) {
  timespec now{};
  (void)::clock_gettime(clock, &now);  // cannot fail for the clocks below
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

int64_t monotonic_ns() { return read_ns(CLOCK_MONOTONIC); }

int64_t monotonic_ms() { return monotonic_ns() / 1'000'000; }

int64_t boot_time_ns() { return read_ns(CLOCK_BOOTTIME); }

}  // namespace gabion
