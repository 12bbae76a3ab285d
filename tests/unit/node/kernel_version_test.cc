#include "node/kernel_version.h"

#include <gtest/gtest.h>

namespace gabion::node {
namespace {

TEST(KernelVersion, ReadsTheFirstTwoNumbersOfARelease) {
  EXPECT_EQ(parse_kernel_version("6.1.0-18-amd64"), (KernelVersion{6, 1}));
  EXPECT_EQ(parse_kernel_version("6.12"), (KernelVersion{6, 12}));
  EXPECT_EQ(parse_kernel_version("7.0-rc1"), (KernelVersion{7, 0}));
}

TEST(KernelVersion, IsNotReadFromOtherText) {
  for (const char* text : {"", "6", "6.", "linux", ".1", "6.x", "99999999999.1", "-6.1"}) {
    EXPECT_FALSE(parse_kernel_version(text)) << text;
  }
}

TEST(KernelVersion, IsComparedAsNumbers) {
  EXPECT_LT((KernelVersion{6, 9}), (KernelVersion{6, 10}));
  EXPECT_LT((KernelVersion{5, 19}), kOldestKernel);
  EXPECT_GE((KernelVersion{6, 1}), kOldestKernel);
  EXPECT_GE((KernelVersion{10, 0}), kOldestKernel);
}

TEST(KernelVersion, OfTheRunningKernelCanBeRead) { EXPECT_TRUE(parse_kernel_version(kernel_release())); }

}  // namespace
}  // namespace gabion::node
