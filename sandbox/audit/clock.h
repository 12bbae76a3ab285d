// Time that a change of the wall clock cannot disturb.
#pragma once

#include <cstdint>
#include <string>

namespace gabion::audit {

// CLOCK_BOOTTIME in nanoseconds: counts through suspend and cannot be set, so that records of one
// boot stay in order when somebody turns the clock back.
uint64_t boot_time_ns();

// /proc/sys/kernel/random/boot_id, random(4); "" where /proc does not show it.
std::string boot_id();

}  // namespace gabion::audit
