#include "kernel/mountinfo.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/path.h"
#include "base/text.h"

namespace gabion::kernel {
namespace {

TEST(MountLine, OptionalFieldsAndAnEmptySourceMoveNothing) {
  const auto plain = parse_mount_line("36 35 98:0 /mnt1 /mnt2 rw - ext3 /dev/root rw,errors=continue");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->id, "36");
  EXPECT_EQ(plain->device, "98:0");
  EXPECT_EQ(plain->root, "/mnt1");
  EXPECT_EQ(plain->point, "/mnt2");
  EXPECT_EQ(plain->type, "ext3");
  EXPECT_EQ(plain->options, "rw,errors=continue");
  const auto tagged = parse_mount_line("36 35 98:0 / /a rw shared:1 master:2 - tmpfs  rw,size=4k");
  ASSERT_TRUE(tagged);
  EXPECT_EQ(tagged->point, "/a");
  EXPECT_EQ(tagged->type, "tmpfs");
  EXPECT_EQ(tagged->options, "rw,size=4k");
}

TEST(MountLine, WhatIsCutShortIsNoLine) {
  EXPECT_FALSE(parse_mount_line(""));
  EXPECT_FALSE(parse_mount_line("36 35 98:0 /mnt1 /mnt2 rw"));
  EXPECT_FALSE(parse_mount_line("36 35 98:0 - ext3 /dev/root rw"));
  EXPECT_FALSE(parse_mount_line("36 35 98:0 / /a rw - ext3 /dev/root"));
}

TEST(MountField, OnlyThreeOctalDigitsAreAnEscape) {
  EXPECT_EQ(unescape_mount_field(R"(/a\040b\011c\134d)"), "/a b\tc\\d");
  EXPECT_EQ(unescape_mount_field(R"(/a\04)"), R"(/a\04)");
  EXPECT_EQ(unescape_mount_field(R"(/a\089\)"), R"(/a\089\)");
}

TEST(Mountinfo, HoldsTheMountOfADescriptor) {
  const Result<Fd> root = open_path("/", O_PATH | O_DIRECTORY);
  ASSERT_TRUE(root.ok());
  const Result<uint64_t> id = mount_id(root->get());
  ASSERT_TRUE(id.ok()) << id.error().message();
  const Result<std::string> text = read_mountinfo();
  ASSERT_TRUE(text.ok());
  int found = 0;
  for (const std::string_view line : split(*text, '\n')) {
    const auto mount = parse_mount_line(line);
    if (!mount || mount->id != std::to_string(*id)) continue;
    ++found;
    EXPECT_EQ(mount->point, "/");
  }
  EXPECT_EQ(found, 1);
}

}  // namespace
}  // namespace gabion::kernel
