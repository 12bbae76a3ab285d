#include <gtest/gtest.h>

#include "kernel/cgroup_group.h"
#include "kernel/cgroup_stats_parse.h"

namespace gabion::kernel {
namespace {

TEST(CgroupStats, BlkioLinesKeepOperationAndDropTotals) {
  const auto entries = parse_blkio("8:0 Read 4096\n8:0 Write 0\n259:1 77\nTotal 4096\n\n");
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].major, 8u);
  EXPECT_EQ(entries[0].op, "Read");
  EXPECT_EQ(entries[0].value, 4096u);
  EXPECT_EQ(entries[2].minor, 1u);
  EXPECT_EQ(entries[2].op, "");
}

TEST(CgroupStats, IoStatBecomesReadsAndWrites) {
  BlkioStats stats;
  parse_io_stat("8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=9\n8:32 \n", stats);
  ASSERT_EQ(stats.service_bytes.size(), 3u);
  EXPECT_EQ(stats.service_bytes[1].op, "Write");
  EXPECT_EQ(stats.service_bytes[1].value, 2u);
  ASSERT_EQ(stats.serviced.size(), 3u);
  EXPECT_EQ(stats.serviced[2].value, 6u);
  EXPECT_EQ(stats.serviced[2].minor, 16u);
}

TEST(CgroupStats, CpuListsExpandRanges) {
  EXPECT_EQ(parse_cpu_list("0-2,5\n"), (std::vector<uint16_t>{0, 1, 2, 5}));
  EXPECT_TRUE(parse_cpu_list("\n").empty());
  EXPECT_EQ(parse_cpu_list("65535"), (std::vector<uint16_t>{65535}));
  EXPECT_EQ(parse_cpu_list("65534-65535").size(), 2u);
}

TEST(CgroupStats, RdmaMaxIsTheLargest) {
  const auto entries = parse_rdma("mlx4_0 hca_handle=2 hca_object=max\n");
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].device, "mlx4_0");
  EXPECT_EQ(entries[0].hca_handles, 2u);
  EXPECT_EQ(entries[0].hca_objects, UINT32_MAX);
}

TEST(CgroupStats, PressureIsSharesAndATotal) {
  const Pressure pressure = parse_pressure(
      "some avg10=1.25 avg60=0.07 avg300=100.00 total=34\nfull avg10=0.00 avg60=x avg300=0.5 total=2\n");
  EXPECT_EQ(pressure.some.avg10, 125u);
  EXPECT_EQ(pressure.some.avg60, 7u);
  EXPECT_EQ(pressure.some.avg300, 10000u);
  EXPECT_EQ(pressure.some.total_us, 34u);
  EXPECT_EQ(pressure.full.avg60, 0u);
  EXPECT_EQ(pressure.full.total_us, 2u);
}

TEST(CgroupStats, FlatValuesMatchWholeKeys) {
  EXPECT_EQ(flat_value("oom 1\noom_kill 3\n", "oom_kill"), 3u);
  EXPECT_EQ(flat_value("oom_kill 3\n", "oom"), std::nullopt);
  EXPECT_EQ(flat_value("populated 0\nfrozen 1\n", "frozen"), 1u);
  EXPECT_EQ(value_of(parse_flat("cache 5\nrss 18446744073709551615\n"), "rss"), UINT64_MAX);
}

}  // namespace
}  // namespace gabion::kernel
