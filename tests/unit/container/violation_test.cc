#include "container/violation.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

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
  unsigned told = 0;
  for (int64_t ms = 0; ms < 60'000; ++ms) {  // a minute of 50 different calls a millisecond
    for (uint32_t number = 0; number < 50; ++number)
      told += budget.take(number, kStart + ms * 1'000'000) ? 1U : 0U;
  }
  EXPECT_LE(told, ViolationBudget::kContainerBurst + 6);
  uint64_t counted = 0;
  for (const auto& [number, count] : budget.collect_all()) counted += count;
  EXPECT_EQ(told + counted, 60'000U * 50U);
}

TEST(ViolationBudget, TheFirstCallOfANumberIsToldInAnyNoise) {
  ViolationBudget budget;
  for (int i = 0; i < 5; ++i) {
    for (uint32_t number = 0; number < 30; ++number) (void)budget.take(number, kStart);
  }
  EXPECT_FALSE(budget.take(29, kStart));
  EXPECT_TRUE(budget.take(30, kStart));
  EXPECT_FALSE(budget.take(30, kStart));  // has four left, the container none
  EXPECT_TRUE(budget.take(30, kStart + ViolationBudget::kRefillNs));
  EXPECT_FALSE(budget.take(29, kStart + ViolationBudget::kRefillNs));
}

// Its listener knows no such call: what the kernel said stays, and whose pid it is now is nobody's business.
TEST(Violation, OfACallerThatIsGoneTheCallIsKnown) {
  Result<kernel::seccomp::Listener> listener =
      kernel::seccomp::Listener::adopt(Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
  ASSERT_TRUE(listener.ok());
  kernel::seccomp::Notification call;
  call.pid = ::getpid();
  call.args = {1, 2, 3, 4, 5, 6};
  const kernel::seccomp::WatchedCall watched{SYS_mount, "mounts", {}};
  const audit::Violation violation = describe(call, *listener, watched, 1);
  EXPECT_EQ(violation.kind, "mounts");
  EXPECT_EQ(violation.syscall, "mount");
  EXPECT_EQ(violation.number, uint32_t{SYS_mount});
  EXPECT_EQ(violation.arguments, call.args);
  EXPECT_EQ(violation.error, 1);
  EXPECT_FALSE(violation.pid || violation.uid);
  EXPECT_EQ(violation.exe, "");
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
