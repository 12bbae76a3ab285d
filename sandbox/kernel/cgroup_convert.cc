#include "kernel/cgroup_convert.h"

namespace gabion::kernel {
namespace {

// log2 by repeated squaring, good to 2^-40. libm is a shared library, and one more of those costs
// 0.1 ms at every start.
double log2_of(double value) {
  double result = 0;
  while (value >= 2) {
    value /= 2;
    result += 1;
  }
  double bit = 0.5;
  for (int i = 0; i < 40; ++i, bit /= 2) {
    value *= value;
    if (value >= 2) {
      value /= 2;
      result += bit;
    }
  }
  return result;
}

}  // namespace

uint64_t cpu_weight_from_shares(uint64_t shares) {
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  constexpr double kLog2Of10 = 3.321928094887362;
  // Exact results (1024 → 100) must not be rounded up by the last bit.
  constexpr double kSlack = 1e-9;
  const double l = log2_of(static_cast<double>(shares));
  const double exponent = ((l * l + 125 * l) / 612 - 7.0 / 34) * kLog2Of10;
  uint64_t low = 1;
  uint64_t high = 10000;
  while (low < high) {
    const uint64_t middle = (low + high) / 2;
    if (log2_of(static_cast<double>(middle)) + kSlack >= exponent) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

uint64_t io_weight_from_blkio(uint64_t weight) {
  if (weight <= 10) return 1;
  if (weight >= 1000) return 10000;
  return 1 + (weight - 10) * 9999 / 990;
}

Result<int64_t> swap_max(int64_t memory_swap, std::optional<int64_t> limit) {
  if (memory_swap == -1) return int64_t{-1};
  if (!limit || *limit < 0) {
    return make_error(Code::kInvalid, "unable to set swap limit without memory limit");
  }
  if (memory_swap < *limit) return make_error(Code::kInvalid, "memory+swap limit should be >= memory limit");
  return memory_swap - *limit;
}

}  // namespace gabion::kernel
