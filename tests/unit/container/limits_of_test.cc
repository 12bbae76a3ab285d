#include "container/limits_of.h"

#include <gtest/gtest.h>

namespace gabion::container {
namespace {

TEST(LimitsOf, ZeroIsUnsetAsEnginesMeanIt) {
  oci::Resources resources;
  resources.memory = oci::MemoryResources{};
  resources.memory->limit = 0;
  resources.memory->swap = 0;
  resources.memory->swappiness = 0;
  resources.cpu = oci::CpuResources{};
  resources.cpu->shares = 0;
  resources.cpu->quota = 0;
  resources.cpu->period = 0;
  resources.cpu->idle = 0;
  resources.block_io = oci::BlockIoResources{};
  resources.block_io->weight = 0;
  const kernel::CgroupLimits limits = cgroup_limits(resources);
  EXPECT_FALSE(limits.memory_limit);
  EXPECT_FALSE(limits.memory_swap);
  EXPECT_EQ(limits.memory_swappiness, 0U);  // 0 means "do not swap"
  EXPECT_FALSE(limits.cpu_shares);
  EXPECT_FALSE(limits.cpu_quota);
  EXPECT_FALSE(limits.cpu_period);
  EXPECT_EQ(limits.cpu_idle, 0);
  EXPECT_FALSE(limits.blkio_weight);
  EXPECT_FALSE(limits.devices);
  EXPECT_FALSE(limits.pids_limit);
}

TEST(LimitsOf, CarriesEveryLimit) {
  oci::Resources resources;
  resources.memory = oci::MemoryResources{};
  resources.memory->limit = 1 << 20;
  resources.memory->reservation = 1 << 19;
  resources.memory->swap = -1;
  resources.memory->disable_oom_killer = true;
  resources.memory->check_before_update = true;
  resources.cpu = oci::CpuResources{};
  resources.cpu->quota = -1;
  resources.cpu->period = 100000;
  resources.cpu->cpus = "0-1";
  resources.cpu->mems = "0";
  resources.pids_limit = 0;
  resources.hugepage_limits = {{"2MB", 4096}};
  resources.network = oci::NetworkResources{};
  resources.network->class_id = 7;
  resources.network->priorities = {{"eth0", 3}};
  resources.rdma["mlx5_1"] = {.hca_handles = 3, .hca_objects = 1000};
  resources.rdma["mlx4_0"] = {.hca_handles = {}, .hca_objects = 5};
  resources.unified = {{"memory.high", "1"}};
  resources.block_io = oci::BlockIoResources{};
  resources.block_io->weight_device = {{8, 0, 500, {}}};
  resources.block_io->throttle_read_bps_device = {{8, 0, 1}};
  resources.block_io->throttle_write_bps_device = {{8, 0, 2}};
  resources.block_io->throttle_read_iops_device = {{8, 0, 3}};
  resources.block_io->throttle_write_iops_device = {{8, 0, 4}};
  const kernel::CgroupLimits limits = cgroup_limits(resources);
  EXPECT_EQ(limits.memory_limit, 1 << 20);
  EXPECT_EQ(limits.memory_reservation, 1 << 19);
  EXPECT_EQ(limits.memory_swap, -1);
  EXPECT_EQ(limits.oom_kill_disable, true);
  EXPECT_TRUE(limits.memory_check_before_update);
  EXPECT_EQ(limits.cpu_quota, -1);
  EXPECT_EQ(limits.cpu_period, 100000U);
  EXPECT_EQ(limits.cpuset_cpus, "0-1");
  EXPECT_EQ(limits.cpuset_mems, "0");
  EXPECT_EQ(limits.pids_limit, -1);
  ASSERT_EQ(limits.hugepages.size(), 1U);
  EXPECT_EQ(limits.hugepages[0].first, "2MB");
  EXPECT_EQ(limits.net_class_id, 7U);
  ASSERT_EQ(limits.rdma.size(), 2U);
  EXPECT_EQ(limits.rdma[0].second, "hca_object=5");
  EXPECT_EQ(limits.rdma[1].second, "hca_handle=3 hca_object=1000");
  EXPECT_EQ(limits.unified, resources.unified);
  EXPECT_EQ(limits.blkio_weight_device.at(0).weight, 500);
  EXPECT_EQ(limits.blkio_read_bps.at(0).rate, 1U);
  EXPECT_EQ(limits.blkio_write_bps.at(0).rate, 2U);
  EXPECT_EQ(limits.blkio_read_iops.at(0).rate, 3U);
  EXPECT_EQ(limits.blkio_write_iops.at(0).rate, 4U);
}

TEST(LimitsOf, DeviceRulesKeepTheirOrder) {
  oci::Resources resources;
  resources.devices = {{.allow = false, .type = "", .major = {}, .minor = {}, .access = "rwm"},
                       {.allow = true, .type = "c", .major = 1, .minor = 3, .access = "rw"},
                       {.allow = true, .type = "b", .major = 8, .minor = {}, .access = "m"}};
  const kernel::CgroupLimits limits = cgroup_limits(resources);
  ASSERT_TRUE(limits.devices);
  ASSERT_EQ(limits.devices->size(), 3U);
  const kernel::DeviceRule& all = limits.devices->at(0);
  EXPECT_EQ(all.type, 'a');
  EXPECT_EQ(all.major, -1);
  EXPECT_TRUE(all.read && all.write && all.mknod && !all.allow);
  const kernel::DeviceRule& null_device = limits.devices->at(1);
  EXPECT_TRUE(null_device.allow && null_device.read && null_device.write && !null_device.mknod);
  EXPECT_EQ(null_device.minor, 3);
  EXPECT_EQ(limits.devices->at(2).minor, -1);
}

TEST(LimitsOf, ANewGroupAllowsTheCommonDevicesAndNoOther) {
  oci::Spec spec;
  const kernel::CgroupLimits none = create_limits(spec);
  ASSERT_TRUE(none.devices);
  EXPECT_FALSE(none.devices->front().allow);
  EXPECT_EQ(none.devices->front().type, 'a');
  for (size_t i = 1; i < none.devices->size(); ++i) {
    EXPECT_TRUE(none.devices->at(i).allow);
    EXPECT_GE(none.devices->at(i).major, 0) << "a rule for every device";
  }

  spec.linux_.resources = oci::Resources{};
  spec.linux_.resources->devices = {{.allow = false, .type = "a", .major = {}, .minor = {}, .access = "rwm"}};
  spec.linux_.devices = {
      {.type = "b", .path = "/dev/sda", .major = 8, .minor = 0, .file_mode = {}, .uid = {}, .gid = {}},
      {.type = "p", .path = "/dev/fifo", .major = 0, .minor = 0, .file_mode = {}, .uid = {}, .gid = {}}};
  const kernel::CgroupLimits named = create_limits(spec);
  ASSERT_EQ(named.devices->size(), none.devices->size() + 2);
  EXPECT_EQ(named.devices->back().type, 'b');
  EXPECT_EQ(named.devices->back().major, 8);
  EXPECT_TRUE(named.devices->back().mknod && !named.devices->back().read && !named.devices->back().write);

  spec.linux_.devices.clear();
  spec.process = oci::Process{};
  spec.process->capabilities = oci::Capabilities{};
  spec.process->capabilities->bounding = {"CAP_CHOWN", "CAP_MKNOD"};
  const kernel::CgroupLimits nodes = create_limits(spec);
  ASSERT_EQ(nodes.devices->size(), none.devices->size() + 3);
  // The common ones come after the spec's denial; nodes of any number may be made, not opened.
  EXPECT_FALSE(nodes.devices->at(1).allow);
  EXPECT_EQ(nodes.devices->at(2).minor, 3);
  const kernel::DeviceRule& any = nodes.devices->back();
  EXPECT_TRUE(any.allow && any.mknod && !any.read && !any.write);
  EXPECT_EQ(any.major, -1);
}

TEST(LimitsOf, MergeChangesOnlyWhatTheUpdateSays) {
  oci::Resources current;
  current.memory = oci::MemoryResources{};
  current.memory->limit = 100;
  current.memory->swap = 200;
  current.pids_limit = 10;
  current.unified = {{"a", "1"}, {"b", "2"}};
  oci::Resources change;
  change.memory = oci::MemoryResources{};
  change.memory->limit = 150;
  change.memory->swap = 0;
  change.cpu = oci::CpuResources{};
  change.cpu->shares = 512;
  change.unified = {{"b", "3"}, {"c", "4"}};
  const oci::Resources merged = merge_resources(current, change);
  EXPECT_EQ(merged.memory->limit, 150);
  EXPECT_EQ(merged.memory->swap, 200);
  EXPECT_EQ(merged.cpu->shares, 512U);
  EXPECT_EQ(merged.pids_limit, 10);
  EXPECT_EQ(merged.unified,
            (std::vector<std::pair<std::string, std::string>>{{"a", "1"}, {"b", "3"}, {"c", "4"}}));
}

}  // namespace
}  // namespace gabion::container
