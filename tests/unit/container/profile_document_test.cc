// What was called as a profile: sorted, the same each time, and one that config.json's reader takes.
#include "container/profile_document.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <algorithm>

#include "kernel/seccomp_numbers.h"
#include "policy/seccomp_file.h"

namespace gabion::container {
namespace {

std::vector<std::string> names_of(const CallSet& calls) {
  const Result<oci::Seccomp> filter = policy::parse_seccomp_file(profile_document(calls), "recorded");
  EXPECT_TRUE(filter.ok()) << filter.error().message();
  EXPECT_EQ(filter->default_action, "SCMP_ACT_ERRNO");
  EXPECT_EQ(filter->default_errno_ret, 1U);
  EXPECT_EQ(filter->architectures.size(), 1U);
  EXPECT_EQ(filter->syscalls.size(), 1U);
  EXPECT_EQ(filter->syscalls[0].action, "SCMP_ACT_ALLOW");
  EXPECT_TRUE(filter->syscalls[0].args.empty());
  return filter->syscalls[0].names;
}

TEST(ProfileDocument, OfNothingAllowsWhatEveryStartNeeds) {
  const std::vector<std::string_view> always = always_allowed();
  EXPECT_EQ(names_of({}), std::vector<std::string>(always.begin(), always.end()));
  EXPECT_TRUE(std::is_sorted(always.begin(), always.end()));
  for (const std::string_view name : always) EXPECT_TRUE(kernel::seccomp::find_syscall(name)) << name;
}

TEST(ProfileDocument, NamesWhatWasCalledOnce) {
  CallSet calls{};
  calls[SYS_getppid] = calls[SYS_execve] = calls[SYS_read] = true;
  const std::vector<std::string> names = names_of(calls);
  EXPECT_EQ(names.size(), always_allowed().size() + 2);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (const char* name : {"getppid", "execve", "read"})
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1);
  EXPECT_EQ(profile_document(calls), profile_document(calls));
}

TEST(ProfileDocument, EveryCallOfTheArchitectureHasAName) {
  CallSet calls{};
  size_t count = 0;
  for (const uint16_t row : kernel::seccomp::rows_by_number(kernel::seccomp::Abi::kNative)) {
    const uint32_t number = kernel::seccomp::syscall_at(row).number(kernel::seccomp::Abi::kNative);
    ASSERT_LT(number, kCallNumbers);
    calls[number] = true;
    ++count;
  }
  EXPECT_EQ(names_of(calls).size(), count);
}

// Left out in silence, the workload might fail under its own profile; and one such call must not cost the
// rest.
TEST(ProfileDocument, NumbersWithoutANameAreLeftOutAndTold) {
  CallSet calls{};
  calls[SYS_getppid] = calls[999] = calls[kCallNumbers - 1] = true;
  EXPECT_EQ(names_of(calls).size(), always_allowed().size() + 1);
  EXPECT_EQ(calls_without_name(calls), (std::vector<size_t>{999, kCallNumbers - 1}));
  calls[999] = calls[kCallNumbers - 1] = false;
  EXPECT_TRUE(calls_without_name(calls).empty());
}

}  // namespace
}  // namespace gabion::container
