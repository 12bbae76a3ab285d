#include "container/id_range.h"

#include <set>
#include <vector>

#include "tests/unit/container/support.h"

namespace gabion::container {
namespace {

using testing::Forked;
using testing::Gate;
using testing::Scratch;

class IdRange : public ::testing::Test {
 protected:
  std::string owner(int number) {
    std::string path = root_ / ("c" + std::to_string(number));
    EXPECT_TRUE(make_directories(path, 0700).ok());
    return path;
  }
  std::string registry() { return root_ / "ids"; }

  Scratch root_;
  policy::IdRange range_{.base = 100000, .count = 65536 * 4, .size = 65536};
};

TEST_F(IdRange, GivesEverySlotOnceThenRefuses) {
  std::set<uint32_t> bases;
  for (int i = 0; i < 4; ++i) {
    const Result<IdSlot> slot = take_id_slot(range_, owner(i), registry());
    ASSERT_TRUE(slot.ok()) << slot.error().message();
    EXPECT_EQ(slot->size, 65536U);
    EXPECT_EQ((slot->base - 100000) % 65536, 0U);
    EXPECT_LT(slot->base, 100000U + 4 * 65536U);
    bases.insert(slot->base);
  }
  EXPECT_EQ(bases.size(), 4U);
  const Result<IdSlot> full = take_id_slot(range_, owner(4), registry());
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, Code::kRefused);
  EXPECT_NE(full.error().message().find("100000"), std::string::npos);
  EXPECT_NE(full.error().message().find("enlarge"), std::string::npos);
}

TEST_F(IdRange, OnlyTheOwnerReleases) {
  const Result<IdSlot> slot = take_id_slot(range_, owner(0), registry());
  ASSERT_TRUE(slot.ok());
  ASSERT_TRUE(release_id_slot(slot->base, owner(1), registry()).ok());
  range_.count = 65536;
  range_.base = slot->base;
  EXPECT_FALSE(take_id_slot(range_, owner(1), registry()).ok());
  ASSERT_TRUE(release_id_slot(slot->base, owner(0), registry()).ok());
  ASSERT_TRUE(release_id_slot(slot->base, owner(0), registry()).ok());
  EXPECT_TRUE(take_id_slot(range_, owner(1), registry()).ok());
}

TEST_F(IdRange, ReleaseAllFreesEverythingOfOne) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(take_id_slot(range_, owner(i), registry()).ok());
  ASSERT_TRUE(release_all_id_slots(owner(1), registry()).ok());
  ASSERT_TRUE(take_id_slot(range_, owner(3), registry()).ok());
  ASSERT_TRUE(take_id_slot(range_, owner(4), registry()).ok());
  EXPECT_FALSE(take_id_slot(range_, owner(5), registry()).ok());
  EXPECT_TRUE(release_all_id_slots(owner(5), root_ / "absent").ok());
}

TEST_F(IdRange, AnotherGridWaitsUntilNoSlotIsInUse) {
  ASSERT_TRUE(take_id_slot(range_, owner(0), registry()).ok());
  policy::IdRange wider = range_;
  wider.size = 131072;
  const Result<IdSlot> overlapping = take_id_slot(wider, owner(1), registry());
  ASSERT_FALSE(overlapping.ok());
  EXPECT_EQ(overlapping.error().code, Code::kRefused);
  policy::IdRange shifted = range_;
  shifted.base += 7;
  EXPECT_FALSE(take_id_slot(shifted, owner(1), registry()).ok());
  ASSERT_TRUE(release_all_id_slots(owner(0), registry()).ok());
  EXPECT_TRUE(take_id_slot(wider, owner(1), registry()).ok());
  EXPECT_FALSE(take_id_slot(range_, owner(0), registry()).ok());
}

TEST_F(IdRange, TakesOverFromTheDead) {
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(take_id_slot(range_, owner(i), registry()).ok());
  ASSERT_EQ(::rmdir(owner(2).c_str()), 0);
  EXPECT_TRUE(take_id_slot(range_, owner(5), registry()).ok());
  EXPECT_FALSE(take_id_slot(range_, owner(6), registry()).ok());
}

TEST_F(IdRange, RefusesARangeThatHoldsNone) {
  for (const policy::IdRange bad : {policy::IdRange{.base = 100000, .count = 10, .size = 65536},
                                    policy::IdRange{.base = 0, .count = 65536, .size = 65536},
                                    policy::IdRange{.base = 4294901760U, .count = 65536, .size = 65536},
                                    policy::IdRange{.base = 100000, .count = 65536, .size = 0}}) {
    const Result<IdSlot> slot = take_id_slot(bad, owner(0), registry());
    ASSERT_FALSE(slot.ok());
    EXPECT_EQ(slot.error().code, Code::kInvalid);
  }
}

TEST_F(IdRange, RefusesARegistryOthersMayWrite) {
  ASSERT_TRUE(make_directories(registry(), 0700).ok());
  ASSERT_EQ(::chmod(registry().c_str(), 0777), 0);
  EXPECT_EQ(take_id_slot(range_, owner(0), registry()).error().code, Code::kRefused);
}

// Fifty processes at once; half of the slots carry links of dead owners, so that the fast path and
// the take-over race as well.
TEST_F(IdRange, FiftyRacersGetFiftySlots) {
  range_.count = 65536 * 50;
  ASSERT_TRUE(make_directories(registry(), 0700).ok());
  for (uint32_t i = 0; i < 50; i += 2) {
    const std::string link = registry() + "/" + std::to_string(range_.base + i * range_.size);
    ASSERT_EQ(::symlink("/nonexistent/dead", link.c_str()), 0);
  }
  Gate gate;
  std::vector<Forked> racers;
  for (int i = 0; i < 50; ++i) {
    const std::string mine = owner(i);
    racers.emplace_back([&, mine] {
      gate.wait();
      const Result<IdSlot> slot = take_id_slot(range_, mine, registry());
      if (!slot.ok()) return 255;
      return static_cast<int>((slot->base - range_.base) / range_.size);
    });
  }
  gate.open();
  std::set<int> slots;
  for (Forked& racer : racers) slots.insert(racer.wait());
  EXPECT_EQ(slots.size(), 50U);
  EXPECT_EQ(slots.count(255), 0U);
}

// Many racers for one dead slot: exactly one wins.
TEST_F(IdRange, OneDeadSlotHasOneHeir) {
  range_.count = 65536;
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(remove_tree(registry()).ok());
    ASSERT_TRUE(make_directories(registry(), 0700).ok());
    ASSERT_EQ(::symlink("/nonexistent/dead", (registry() + "/100000").c_str()), 0);
    Gate gate;
    std::vector<Forked> racers;
    for (int i = 0; i < 8; ++i) {
      const std::string mine = owner(i);
      racers.emplace_back([&, mine] {
        gate.wait();
        return take_id_slot(range_, mine, registry()).ok() ? 1 : 0;
      });
    }
    gate.open();
    int winners = 0;
    for (Forked& racer : racers) winners += racer.wait();
    EXPECT_EQ(winners, 1);
  }
}

}  // namespace
}  // namespace gabion::container
