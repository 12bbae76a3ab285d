#include "node/finding.h"

#include <gtest/gtest.h>

#include "node/slots.h"

namespace gabion::node {
namespace {

TEST(Finding, TheGravestDecides) {
  EXPECT_EQ(worst({}), Verdict::kPass);
  EXPECT_EQ(worst({passed("a", "x"), warned("b", "x", "y")}), Verdict::kWarn);
  const Findings all = {failed("a", "x", "y"), passed("b", "x"), warned("c", "x", "y"), passed("d", "x")};
  EXPECT_EQ(worst(all), Verdict::kFail);
  EXPECT_EQ(count(all, Verdict::kPass), 2U);
  EXPECT_EQ(count(all, Verdict::kWarn), 1U);
}

TEST(Finding, LongListsAreCut) {
  EXPECT_EQ(name_some({}, 2), "");
  EXPECT_EQ(name_some({"a", "b"}, 2), "a, b");
  EXPECT_EQ(name_some({"a", "b", "c", "d"}, 2), "a, b and 2 more");
}

TEST(Slots, AnIdBelongsToTheSlotThatBeginsBelowIt) {
  EXPECT_EQ(slot_of(1879048192, 1879048192, 65536), 1879048192U);
  EXPECT_EQ(slot_of(1879113727, 1879048192, 65536), 1879048192U);
  EXPECT_EQ(slot_of(1879113728, 1879048192, 65536), 1879113728U);
  EXPECT_EQ(slot_of(107, 100, 5), 105U);
}

}  // namespace
}  // namespace gabion::node
