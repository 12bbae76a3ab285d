#include <gtest/gtest.h>

#include "kernel/overlay.h"
#include "kernel/user_namespace.h"

namespace gabion::kernel {
namespace {

TEST(OverlayOptions, ReadsDockersLine) {
  const auto layout = parse_overlay_options(
      "rw,lowerdir=/var/lib/docker/overlay2/l/AAA:/var/lib/docker/overlay2/l/BBB,upperdir=/o/1/diff,workdir=/"
      "o/1/work");
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->lower,
            (std::vector<std::string>{"/var/lib/docker/overlay2/l/AAA", "/var/lib/docker/overlay2/l/BBB"}));
  EXPECT_EQ(layout->upper, "/o/1/diff");
  EXPECT_EQ(layout->work, "/o/1/work");
}

TEST(OverlayOptions, UndoesBothKindsOfEscapes) {
  // A directory "a:b c" and one "d,e": overlayfs protects ':' and ',', mountinfo the blank and backslash.
  const auto layout = parse_overlay_options("rw,lowerdir=/a\\134:b\\040c:/d\\134,e,index=off");
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->lower, (std::vector<std::string>{"/a:b c", "/d,e"}));
  EXPECT_TRUE(layout->upper.empty());
}

TEST(OverlayOptions, ReadsTheNewFormOneLayerAnOption) {
  const auto layout = parse_overlay_options("ro,lowerdir+=/a,lowerdir+=/b:c");
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->lower, (std::vector<std::string>{"/a", "/b:c"}));
}

TEST(OverlayOptions, DataOnlyLayersAreRefusedNotMisread) {
  EXPECT_FALSE(parse_overlay_options("rw,lowerdir=/a::/data").ok());
  EXPECT_FALSE(parse_overlay_options("rw,upperdir=/a").ok());
}

TEST(IdMap, TranslatesAndMarksTheUnmapped) {
  const std::vector<IdMap> map = {{0, 100000, 1000}, {5000, 7, 1}};
  EXPECT_EQ(map_to_host(map, 0), 100000U);
  EXPECT_EQ(map_to_host(map, 999), 100999U);
  EXPECT_EQ(map_to_host(map, 1000), 65534U);
  EXPECT_EQ(map_to_host(map, 5000), 7U);
  EXPECT_EQ(map_to_host({}, 42), 42U);
  EXPECT_EQ(id_map_text(map), "0 100000 1000\n5000 7 1\n");
}

}  // namespace
}  // namespace gabion::kernel
