#include "shim/cli/update_resources.h"

#include <gtest/gtest.h>

#include <vector>

namespace gabion::cli {
namespace {

Result<oci::Resources> resources(std::vector<const char*> words) {
  const Result<Arguments> arguments = parse_flags(kUpdateFlags, words, Order::kFlagsAnywhere);
  EXPECT_TRUE(arguments.ok());
  return resources_from_flags(arguments.value());
}

TEST(UpdateResources, OnlyWhatIsNamedIsSet) {
  EXPECT_EQ(resources({}).value(), oci::Resources{});
  EXPECT_EQ(resources({"--memory", "", "--cpu-quota", ""}).value(), oci::Resources{});
  oci::Resources expected;
  expected.memory.emplace();
  expected.memory->limit = 32 << 20;
  EXPECT_EQ(resources({"--memory", "32m"}).value(), expected);
}

TEST(UpdateResources, EveryFlagReachesItsField) {
  const oci::Resources all =
      resources({"--memory=1g", "--memory-reservation=512k", "--memory-swap=-1", "--cpu-share=100",
                 "--cpu-quota=-1", "--cpu-period=100000", "--cpu-burst=5", "--cpu-idle=1",
                 "--cpu-rt-period=7", "--cpu-rt-runtime=6", "--cpuset-cpus=0-1", "--cpuset-mems=0",
                 "--pids-limit=20", "--blkio-weight=10"})
          .value();
  EXPECT_EQ(all.memory->limit, 1 << 30);
  EXPECT_EQ(all.memory->reservation, 512 << 10);
  EXPECT_EQ(all.memory->swap, -1);
  EXPECT_EQ(all.cpu->shares, 100U);
  EXPECT_EQ(all.cpu->quota, -1);
  EXPECT_EQ(all.cpu->period, 100000U);
  EXPECT_EQ(all.cpu->burst, 5U);
  EXPECT_EQ(all.cpu->idle, 1);
  EXPECT_EQ(all.cpu->realtime_period, 7U);
  EXPECT_EQ(all.cpu->realtime_runtime, 6);
  EXPECT_EQ(all.cpu->cpus, "0-1");
  EXPECT_EQ(all.cpu->mems, "0");
  EXPECT_EQ(all.pids_limit, 20);
  EXPECT_EQ(all.block_io->weight, 10);
}

TEST(UpdateResources, BadValues) {
  EXPECT_EQ(resources({"--memory", "abc"}).error().context, "invalid value for memory: invalid size: 'abc'");
  for (const char* bad :
       {"--memory=-2", "--memory=9999999999g", "--cpu-share=-1", "--cpu-share=1.5", "--cpu-idle=2",
        "--blkio-weight=9", "--blkio-weight=1001", "--pids-limit=many", "--cpu-quota=9223372036854775808"}) {
    EXPECT_FALSE(resources({bad}).ok()) << bad;
  }
  EXPECT_EQ(resources({"--l3-cache-schema=L3:0=f"}).error().code, Code::kUnsupported);
  EXPECT_EQ(resources({"--kernel-memory=1m"}).error().code, Code::kUnsupported);
}

TEST(UpdateResources, ZeroIsRuncsNotGiven) {
  EXPECT_EQ(resources({"--pids-limit=0", "--blkio-weight=0"}).value(), oci::Resources{});
}

}  // namespace
}  // namespace gabion::cli
