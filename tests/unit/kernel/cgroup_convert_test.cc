#include "kernel/cgroup_convert.h"

#include <gtest/gtest.h>

#include <cmath>

namespace gabion::kernel {
namespace {

TEST(CgroupConvert, SharesMapDefaultsAndEndsOntoEachOther) {
  EXPECT_EQ(cpu_weight_from_shares(1024), 100u);
  EXPECT_EQ(cpu_weight_from_shares(2), 1u);
  EXPECT_EQ(cpu_weight_from_shares(1), 1u);
  EXPECT_EQ(cpu_weight_from_shares(262144), 10000u);
  EXPECT_EQ(cpu_weight_from_shares(UINT64_MAX), 10000u);
  // Values runc's own tests name.
  EXPECT_EQ(cpu_weight_from_shares(512), 59u);
  EXPECT_EQ(cpu_weight_from_shares(2048), 174u);
}

TEST(CgroupConvert, SharesFollowTheFormulaEverywhere) {
  for (uint64_t shares = 3; shares < 262144; shares += shares < 5000 ? 1 : 997) {
    const double l = std::log2(static_cast<double>(shares));
    const double exact = std::pow(10, (l * l + 125 * l) / 612 - 7.0 / 34);
    const uint64_t weight = cpu_weight_from_shares(shares);
    ASSERT_GE(static_cast<double>(weight) + 1e-5, exact) << shares;
    ASSERT_LT(static_cast<double>(weight) - 1, exact + 1e-5) << shares;
  }
}

TEST(CgroupConvert, IoWeightIsLinear) {
  EXPECT_EQ(io_weight_from_blkio(10), 1u);
  EXPECT_EQ(io_weight_from_blkio(500), 4950u);
  EXPECT_EQ(io_weight_from_blkio(1000), 10000u);
  EXPECT_EQ(io_weight_from_blkio(0), 1u);
  EXPECT_EQ(io_weight_from_blkio(65535), 10000u);
}

TEST(CgroupConvert, SwapIsWhatRemainsAboveMemory) {
  EXPECT_EQ(*swap_max(300, 100), 200);
  EXPECT_EQ(*swap_max(100, 100), 0);
  EXPECT_EQ(*swap_max(-1, 100), -1);
  EXPECT_EQ(*swap_max(-1, std::nullopt), -1);
  EXPECT_FALSE(swap_max(99, 100).ok());
  EXPECT_FALSE(swap_max(100, -1).ok());
  EXPECT_FALSE(swap_max(100, std::nullopt).ok());
}

}  // namespace
}  // namespace gabion::kernel
