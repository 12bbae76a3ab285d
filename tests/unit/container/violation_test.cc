#include "container/violation.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>

#include "policy/violations.h"

namespace gabion::container {
namespace {

constexpr int64_t kStart = 5'000'000'000;

TEST(ViolationBudget, TellsABurstAndCountsTheRest) {
  ViolationBudget budget;
  for (unsigned i = 0; i < ViolationBudget::kBurst; ++i) EXPECT_TRUE(budget.take(1, kStart));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(budget.take(1, kStart));
  EXPECT_EQ(budget.collect(1), 1000U);
  EXPECT_EQ(budget.collect(1), 0U);
}

TEST(ViolationBudget, OneCallCannotDrownAnother) {
  ViolationBudget budget;
  for (int i = 0; i < 100; ++i) (void)budget.take(1, kStart);
  EXPECT_TRUE(budget.take(2, kStart));
  const std::map<uint32_t, uint64_t> untold = budget.collect_all();
  EXPECT_EQ(untold, (std::map<uint32_t, uint64_t>{{1, 95}}));
  EXPECT_TRUE(budget.collect_all().empty());
}

TEST(ViolationBudget, EarnsOneAtATimeAndNoMoreThanABurst) {
  ViolationBudget budget;
  for (int i = 0; i < 100; ++i) (void)budget.take(1, kStart);
  EXPECT_FALSE(budget.take(1, kStart + ViolationBudget::kRefillNs - 1));
  EXPECT_TRUE(budget.take(1, kStart + ViolationBudget::kRefillNs));
  EXPECT_FALSE(budget.take(1, kStart + ViolationBudget::kRefillNs));
  const int64_t later = kStart + 1000 * ViolationBudget::kRefillNs;
  unsigned told = 0;
  for (int i = 0; i < 100; ++i) told += budget.take(1, later) ? 1 : 0;
  EXPECT_EQ(told, ViolationBudget::kBurst);
}

TEST(ViolationBudget, HowFastALogGrowsIsBounded) {
  ViolationBudget budget;
  int told = 0;
  for (int64_t ms = 0; ms < 60'000; ++ms) {  // a minute of 50 different calls a millisecond
    for (uint32_t number = 0; number < 50; ++number)
      told += budget.take(number, kStart + ms * 1'000'000) ? 1 : 0;
  }
  EXPECT_LE(told, 50 * (5 + 6));
}

TEST(Violation, TheProfilesWordsAreThePolicysAndNoneIsWithoutACall) {
  std::array<bool, policy::kViolationKinds.size()> used{};
  for (const kernel::seccomp::WatchedCall& call :
       kernel::seccomp::watching_profile("default", false)->watch) {
    const std::optional<size_t> kind = policy::violation_kind(call.kind);
    ASSERT_TRUE(kind.has_value()) << call.kind;
    used[*kind] = true;
  }
  EXPECT_EQ(std::count(used.begin(), used.end(), false), 0);
}

TEST(Violation, CallsHaveTheirNames) {
  EXPECT_EQ(call_name(SYS_mount), "mount");
  EXPECT_EQ(call_name(99999), "call 99999");
}

}  // namespace
}  // namespace gabion::container
