#include "kernel/mount_options.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

namespace gabion::kernel {
namespace {

TEST(MountOptions, TheLaterWordWins) {
  const MountOptions options = parse_mount_options({"ro", "rw", "noexec", "exec", "nosuid"});
  EXPECT_EQ(options.attributes.set, uint64_t{MOUNT_ATTR_NOSUID});
  EXPECT_NE(options.attributes.clear & MOUNT_ATTR_RDONLY, 0U);
  EXPECT_NE(options.attributes.clear & MOUNT_ATTR_NOEXEC, 0U);
}

TEST(MountOptions, RecursiveWordsAreKeptApart) {
  const MountOptions options = parse_mount_options({"rbind", "rro", "rslave", "relatime"});
  EXPECT_TRUE(options.bind);
  EXPECT_TRUE(options.recursive_bind);
  EXPECT_EQ(options.recursive.set, uint64_t{MOUNT_ATTR_RDONLY});
  EXPECT_EQ(options.recursive.propagation, uint64_t{MS_SLAVE});
  EXPECT_EQ(options.attributes.set & MOUNT_ATTR_RDONLY, 0U);
  EXPECT_TRUE(options.data.empty());
}

TEST(MountOptions, WhatIsNotAWordIsTheFilesystems) {
  const MountOptions options = parse_mount_options({"mode=755", "size=64m", "newinstance", "defaults"});
  ASSERT_EQ(options.data.size(), 3U);
  EXPECT_EQ(options.data[0].key, "mode");
  EXPECT_EQ(options.data[0].value, "755");
  EXPECT_TRUE(options.data[2].flag);
}

TEST(MountOptions, AccessTimeIsOneChoice) {
  const MountOptions options = parse_mount_options({"noatime", "strictatime"});
  EXPECT_EQ(options.attributes.set & MOUNT_ATTR__ATIME, uint64_t{MOUNT_ATTR_STRICTATIME});
  EXPECT_EQ(options.attributes.clear & MOUNT_ATTR__ATIME, uint64_t{MOUNT_ATTR__ATIME});
}

}  // namespace
}  // namespace gabion::kernel
