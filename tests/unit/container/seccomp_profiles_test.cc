// A profile that a policy may name is one that a container can be given.
#include <gtest/gtest.h>

#include "kernel/seccomp.h"
#include "policy/tiers.h"

namespace gabion::container {
namespace {

TEST(SeccompProfiles, EveryNameHasAProgram) {
  ASSERT_FALSE(policy::seccomp_profiles().empty());
  for (const std::string_view name : policy::seccomp_profiles())
    EXPECT_NE(kernel::seccomp::builtin_profile(name), nullptr) << name;
}

}  // namespace
}  // namespace gabion::container
