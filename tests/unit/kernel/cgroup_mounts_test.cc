#include "kernel/cgroup_mounts.h"

#include <gtest/gtest.h>

namespace gabion::kernel {
namespace {

constexpr const char* kMountinfo =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "40 31 0:30 / /mnt/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "41 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 master:2 - cgroup cgroup rw,cpu,cpuacct\n"
    "42 31 0:31 /docker/ab /sys/fs/cgroup/odd\\040name rw - cgroup cgroup rw,memory\n"
    "43 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
    "44 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
    "45 31 0:39 / /proc/cgroup-lookalike rw - proc proc rw\n";

TEST(CgroupMounts, FindsEachHierarchyAndPrefersTheConventionalPlace) {
  const auto mounts = parse_cgroup_mounts(kMountinfo);
  ASSERT_EQ(mounts.size(), 5u);
  ASSERT_NE(find_cgroup_mount(mounts, "cpu,cpuacct"), nullptr);
  EXPECT_EQ(find_cgroup_mount(mounts, "cpu,cpuacct")->mount_point, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(find_cgroup_mount(mounts, "name=systemd")->mount_point, "/sys/fs/cgroup/systemd");
  EXPECT_EQ(find_cgroup_mount(mounts, "pids"), nullptr);
  // "rw" is an option of every mount, not a controller; cgroup2 has no v1 controllers.
  EXPECT_TRUE(mounts.back().unified);
}

TEST(CgroupMounts, UnescapesMountPoints) {
  const auto mounts = parse_cgroup_mounts(kMountinfo);
  const CgroupMount* memory = find_cgroup_mount(mounts, "memory");
  ASSERT_NE(memory, nullptr);
  EXPECT_EQ(memory->mount_point, "/sys/fs/cgroup/odd name");
  EXPECT_EQ(memory->root, "/docker/ab");
}

TEST(CgroupMounts, ReadsOwnGroupsWithColonsInPaths) {
  const auto groups = parse_own_groups("4:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/user.slice\nnonsense\n");
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].controllers, "cpu,cpuacct");
  EXPECT_EQ(groups[0].path, "/a:b");
  EXPECT_EQ(groups[2].controllers, "");
  EXPECT_EQ(groups[2].path, "/user.slice");
}

TEST(CgroupMounts, OwnPathIsTakenBelowTheMountedRoot) {
  EXPECT_EQ(path_below_root("/docker/ab/x", "/docker/ab"), "/x");
  EXPECT_EQ(path_below_root("/docker/ab", "/docker/ab"), "/");
  EXPECT_EQ(path_below_root("/docker/abc", "/docker/ab"), "/");
  EXPECT_EQ(path_below_root("/x", "/"), "/x");
}

TEST(CgroupPath, NeverLeavesTheHierarchy) {
  EXPECT_EQ(inner_path("/../../etc/../a", "id").path, "/a");
  EXPECT_FALSE(inner_path("/a", "id").relative);
  EXPECT_EQ(inner_path("../../a", "id").path, "/a");
  EXPECT_TRUE(inner_path("../../a", "id").relative);
  EXPECT_EQ(inner_path("", "id").path, "/id");
  EXPECT_TRUE(inner_path("", "id").relative);
  EXPECT_EQ(inner_path("", "../../id").path, "/id");
  EXPECT_EQ(inner_path("/../..", "id").path, "/");
}

}  // namespace
}  // namespace gabion::kernel
