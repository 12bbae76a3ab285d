#include "node/id_overlap.h"

#include <gtest/gtest.h>

namespace gabion::node {
namespace {

policy::IdRange range(uint32_t base, uint32_t count, uint32_t size = 65536) {
  policy::IdRange ids;
  ids.base = base;
  ids.count = count;
  ids.size = size;
  return ids;
}

TEST(IdOverlap, ReadsUsersWithTheirGroups) {
  const std::vector<TakenIds> ids =
      read_passwd_ids("root:x:0:0:root:/root:/bin/sh\nbad\nweb:x:33:34::/:/bin/sh\n+::::::\n");
  ASSERT_EQ(ids.size(), 4U);
  EXPECT_EQ(ids[2].first, 33U);
  EXPECT_EQ(ids[2].owner, "user web");
  EXPECT_EQ(ids[3].first, 34U);
  EXPECT_EQ(read_group_ids("adm:x:4:syslog\n\n").at(0).owner, "group adm");
}

TEST(IdOverlap, ReadsSubordinateRanges) {
  const std::vector<TakenIds> ids = read_subordinate_ids(
      "alice:100000:65536\n# comment\nbob:1:0\n1000:4294967295:4294967295\nx:-1:5\n", "/etc/subuid");
  ASSERT_EQ(ids.size(), 2U);
  EXPECT_EQ(ids[0].first, 100000U);
  EXPECT_EQ(ids[0].count, 65536U);
  EXPECT_EQ(ids[0].owner, "/etc/subuid: alice");
}

TEST(IdOverlap, TouchingRangesDoNotOverlap) {
  const std::vector<TakenIds> taken = {{100000, 65536, "a"}};
  EXPECT_TRUE(overlapping(taken, range(165536, 65536)).empty());
  EXPECT_EQ(overlapping(taken, range(165535, 65536)).size(), 1U);
  EXPECT_TRUE(overlapping(taken, range(34464, 65536)).empty());
  EXPECT_EQ(overlapping(taken, range(34465, 65536)).size(), 1U);
  EXPECT_EQ(overlapping(taken, range(110000, 10)).size(), 1U);
  EXPECT_TRUE(overlapping(taken, range(110000, 0)).empty());
}

TEST(IdOverlap, RangesAtTheEndOfTheNumbersDoNotWrap) {
  EXPECT_EQ(overlapping({{4294967295, 4294967295, "a"}}, range(4294901760, 65536)).size(), 1U);
  EXPECT_TRUE(overlapping({{4294967295, 4294967295, "a"}}, range(0, 65536)).empty());
}

TEST(IdOverlap, AFreeBaseIsNobodys) {
  EXPECT_EQ(free_base({}, range(1, 65536)), 1048576U);
  const std::vector<TakenIds> taken = {{1048576, 65536, "a"}, {1114112, 1, "b"}, {0, 1, "root"}};
  EXPECT_EQ(free_base(taken, range(1, 65536)), 1179648U);
  EXPECT_EQ(free_base({{0, 4294967295, "all"}}, range(1, 65536)), std::nullopt);
  EXPECT_EQ(free_base({}, range(1, 0)), std::nullopt);
  EXPECT_EQ(free_base({}, range(1, 4294967295)), std::nullopt);
}

}  // namespace
}  // namespace gabion::node
