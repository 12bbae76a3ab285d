// OCI's resource numbers, which are cgroup v1's, as cgroup v2 writes them. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"

namespace gabion::kernel {

// cpu.shares (2 to 262144) → cpu.weight (1 to 10000) by runc 1.4's and crun 1.23's curve,
// ceil(10^(l²/612 + 125l/612 - 7/34)), l = log2(shares), which maps the defaults onto each other
// (1024 → 100); the linear one before it gave a default container 39.
uint64_t cpu_weight_from_shares(uint64_t shares);

// blkio.weight (10 to 1000) → io.weight (1 to 10000), linear as runc and crun have it.
uint64_t io_weight_from_blkio(uint64_t weight);

// OCI's memory + swap → memory.swap.max (swap alone); -1 is "max". `limit` is the memory limit, -1
// or absent for none. A sum smaller than its part is Code::kInvalid.
Result<int64_t> swap_max(int64_t memory_swap, std::optional<int64_t> limit);

}  // namespace gabion::kernel
