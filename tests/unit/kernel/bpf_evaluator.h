// Runs a seccomp program on made-up calls, as the kernel would: filters can be judged without
// loading them.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace gabion::kernel::seccomp::test {

// The action, or nullopt for a program the kernel would refuse: a jump or a load out of bounds, an
// instruction seccomp does not take.
std::optional<uint32_t> evaluate(const std::vector<sock_filter>& program, const seccomp_data& call);

// How many instructions that call costs.
size_t path_length(const std::vector<sock_filter>& program, const seccomp_data& call);

}  // namespace gabion::kernel::seccomp::test
