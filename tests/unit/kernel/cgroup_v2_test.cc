// What the v2 driver writes, value for value, into plain files of cgroup2's names: the conversions
// and which file gets what. Real controllers: tests/kernel/cgroup_unified_test.cc, on a v2 host.
#include "kernel/cgroup_v2.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/scratch.h"

namespace gabion::kernel {
namespace {

class CgroupV2 : public ::testing::Test {
 protected:
  void file(const std::string& name, std::string_view text = "") {
    ASSERT_TRUE(write_file_atomic(directory_ / name, text, 0644).ok());
  }
  std::string value(const std::string& name) {
    const Result<std::string> text = read_file(directory_ / name, 4096);
    return text.ok() ? *text : "absent";
  }
  Status apply(const CgroupLimits& limits) {
    CgroupLocation location;
    location.directories.emplace_back("unified", directory_.path());
    Group group(location);
    return apply_v2(group, limits);
  }

  const tests::Scratch directory_;
};

TEST_F(CgroupV2, MemoryAndSwapAreTakenApart) {
  for (const char* name : {"memory.max", "memory.low", "memory.swap.max"}) file(name);
  CgroupLimits limits;
  limits.memory_limit = 1000;
  limits.memory_swap = 1500;
  limits.memory_reservation = 700;
  ASSERT_TRUE(apply(limits).ok());
  EXPECT_EQ(value("memory.max"), "1000");
  EXPECT_EQ(value("memory.swap.max"), "500");
  EXPECT_EQ(value("memory.low"), "700");
}

TEST_F(CgroupV2, UnlimitedMemoryLiftsSwapToo) {
  for (const char* name : {"memory.max", "memory.swap.max"}) file(name);
  CgroupLimits limits;
  limits.memory_limit = -1;
  ASSERT_TRUE(apply(limits).ok());
  EXPECT_EQ(value("memory.max"), "max");
  EXPECT_EQ(value("memory.swap.max"), "max");
}

TEST_F(CgroupV2, SwapAloneCountsFromTheLimitInForce) {
  file("memory.max", "1000\n");
  file("memory.swap.max");
  CgroupLimits limits;
  limits.memory_swap = 1200;
  ASSERT_TRUE(apply(limits).ok());
  EXPECT_EQ(value("memory.swap.max"), "200");
}

TEST_F(CgroupV2, NoSwapWithoutSwapAccountingIsHarmlessAndALimitIsNot) {
  file("memory.max");
  CgroupLimits limits;
  limits.memory_limit = 1000;
  limits.memory_swap = 1000;
  EXPECT_TRUE(apply(limits).ok());
  limits.memory_swap = 2000;
  EXPECT_FALSE(apply(limits).ok());
}

TEST_F(CgroupV2, UsageAboveANewLimitIsRejectedWhenAsked) {
  for (const char* name : {"memory.max", "memory.swap.max"}) file(name);
  file("memory.current", "5000\n");
  CgroupLimits limits;
  limits.memory_limit = 5000;
  limits.memory_check_before_update = true;
  const Status applied = apply(limits);
  ASSERT_FALSE(applied.ok());
  EXPECT_EQ(applied.error().message(), "rejecting memory limit 5000 <= usage 5000");
  EXPECT_EQ(value("memory.max"), "");
}

TEST_F(CgroupV2, CpuQuotaAndPeriodShareAFile) {
  for (const char* name : {"cpu.weight", "cpu.idle", "cpu.max.burst", "cpuset.cpus", "cpuset.mems"})
    file(name);
  file("cpu.max");
  CgroupLimits limits;
  limits.cpu_shares = 1024;
  limits.cpu_quota = 20000;
  limits.cpu_period = 50000;
  limits.cpu_burst = 3000;
  limits.cpuset_cpus = "0-1";
  ASSERT_TRUE(apply(limits).ok());
  EXPECT_EQ(value("cpu.weight"), "100");
  EXPECT_EQ(value("cpu.max"), "20000 50000");
  EXPECT_EQ(value("cpu.max.burst"), "3000");
  EXPECT_EQ(value("cpuset.cpus"), "0-1");
  EXPECT_EQ(value("cpuset.mems"), "");
}

TEST_F(CgroupV2, PeriodAloneKeepsTheQuotaAndQuotaAloneThePeriod) {
  file("cpu.max", "20000 100000\n");
  CgroupLimits limits;
  limits.cpu_period = 500000;
  ASSERT_TRUE(apply(limits).ok());
  EXPECT_EQ(value("cpu.max"), "20000 500000\n");
  file("cpu.max");
  limits = CgroupLimits{};
  limits.cpu_quota = -1;
  ASSERT_TRUE(apply(limits).ok());
  EXPECT_EQ(value("cpu.max"), "max");
}

TEST_F(CgroupV2, IdleGroupGetsNoWeight) {
  for (const char* name : {"cpu.weight", "cpu.idle"}) file(name);
  CgroupLimits limits;
  limits.cpu_idle = 1;
  limits.cpu_shares = 2048;
  ASSERT_TRUE(apply(limits).ok());
  EXPECT_EQ(value("cpu.idle"), "1");
  EXPECT_EQ(value("cpu.weight"), "");
}

TEST_F(CgroupV2, BlockLimitsGoToIoFiles) {
  for (const char* name : {"io.max", "io.weight"}) file(name);
  CgroupLimits limits;
  limits.blkio_weight = 500;
  limits.blkio_read_bps = {{8, 0, 1048576}};
  ASSERT_TRUE(apply(limits).ok());
  EXPECT_EQ(value("io.weight"), "4950");
  EXPECT_EQ(value("io.max"), "8:0 rbps=1048576");
  file("io.max");
  limits = CgroupLimits{};
  limits.blkio_write_iops = {{8, 16, 0}};
  ASSERT_TRUE(apply(limits).ok());
  EXPECT_EQ(value("io.max"), "8:16 wiops=max");
}

TEST_F(CgroupV2, BfqTakesTheWeightAsItIs) {
  for (const char* name : {"io.bfq.weight", "io.weight"}) file(name);
  CgroupLimits limits;
  limits.blkio_weight = 500;
  ASSERT_TRUE(apply(limits).ok());
  EXPECT_EQ(value("io.bfq.weight"), "500");
  EXPECT_EQ(value("io.weight"), "");
}

TEST_F(CgroupV2, PidsHugepagesAndRdma) {
  for (const char* name : {"pids.max", "hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "rdma.max"}) file(name);
  CgroupLimits limits;
  limits.pids_limit = -1;
  limits.hugepages = {{"2MB", 4194304}};
  limits.rdma = {{"mlx5_0", "hca_handle=2 hca_object=2000"}};
  ASSERT_TRUE(apply(limits).ok());
  EXPECT_EQ(value("pids.max"), "max");
  EXPECT_EQ(value("hugetlb.2MB.max"), "4194304");
  EXPECT_EQ(value("hugetlb.2MB.rsvd.max"), "4194304");
  EXPECT_EQ(value("rdma.max"), "mlx5_0 hca_handle=2 hca_object=2000");
}

TEST_F(CgroupV2, UnifiedFilesAreLimitsInThisDirectoryOnly) {
  file("memory.high");
  file("cgroup.procs");
  CgroupLimits limits;
  limits.unified = {{"memory.high", "4096"}};
  ASSERT_TRUE(apply(limits).ok());
  EXPECT_EQ(value("memory.high"), "4096");
  for (const char* name : {"../memory.high", "cgroup.procs", "cgroup.kill", "", "plain"}) {
    limits.unified = {{name, "0"}};
    const Status applied = apply(limits);
    ASSERT_FALSE(applied.ok()) << name;
    EXPECT_EQ(applied.error().code, Code::kInvalid) << name;
  }
  EXPECT_EQ(value("cgroup.procs"), "");
  limits.unified = {{"misc.max", "x 1"}};
  const Status absent = apply(limits);
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, Code::kUnsupported);
  EXPECT_NE(absent.error().context.find("controller \"misc\" not available"), std::string::npos);
}

TEST_F(CgroupV2, WhatOnlyV1HasIsRefused) {
  CgroupLimits limits;
  limits.oom_kill_disable = false;
  EXPECT_TRUE(apply(limits).ok());
  auto refused = [&](auto set) {
    CgroupLimits one;
    set(one);
    const Status applied = apply(one);
    return !applied.ok() && applied.error().code == Code::kUnsupported;
  };
  EXPECT_TRUE(refused([](CgroupLimits& one) { one.oom_kill_disable = true; }));
  EXPECT_TRUE(refused([](CgroupLimits& one) { one.memory_swappiness = 10; }));
  EXPECT_TRUE(refused([](CgroupLimits& one) { one.cpu_rt_runtime = 10; }));
  EXPECT_TRUE(refused([](CgroupLimits& one) { one.net_class_id = 10; }));
  EXPECT_TRUE(refused([](CgroupLimits& one) { one.blkio_leaf_weight = 10; }));
}

TEST_F(CgroupV2, PageSizesCannotNameOtherFiles) {
  EXPECT_TRUE(check_page_size("2MB").ok());
  EXPECT_TRUE(check_page_size("64KB").ok());
  for (const char* size : {"", "MB", "2", "2MB/../x", "../2MB", "2TB", "2MBMB"}) {
    EXPECT_FALSE(check_page_size(size).ok()) << size;
  }
}

}  // namespace
}  // namespace gabion::kernel
