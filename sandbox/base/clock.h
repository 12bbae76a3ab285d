// Time that a change of the wall clock cannot disturb.
#pragma once

#include <cstdint>

namespace gabion {

// CLOCK_MONOTONIC: for deadlines and intervals.
int64_t monotonic_ns();
int64_t monotonic_ms();

// CLOCK_BOOTTIME: counts through suspend, as the start times of processes do (proc_pid_stat(5)).
int64_t boot_time_ns();

}  // namespace gabion
