// Freezing and killing real processes: with cgroup.kill, and without it.
#include <sys/mman.h>

#include <atomic>

#include "kernel/cgroup_group.h"
#include "tests/kernel/cgroup_fixture.h"

namespace gabion::kernel::test {
namespace {

class CgroupKill : public CgroupFixture {
 protected:
  void SetUp() override {
    CgroupFixture::SetUp();
    counter_ = static_cast<std::atomic<uint64_t>*>(
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  }
  void TearDown() override {
    CgroupFixture::TearDown();
    (void)::munmap(counter_, 4096);
  }

  pid_t spawn_counter(const Cgroup& cgroup) {
    return spawn(cgroup, [this] {
      while (true) {
        counter_->fetch_add(1);
        ::usleep(100);
      }
      return 0;
    });
  }

  bool counts() {
    const uint64_t before = counter_->load();
    for (int i = 0; i < 200 && counter_->load() == before; ++i) ::usleep(1000);
    return counter_->load() != before;
  }

  void freeze_and_thaw(const CgroupLocation& where) {
    if (where.directories.empty()) GTEST_SKIP() << "no such hierarchy here";
    auto cgroup = Cgroup::create(where, {});
    ASSERT_OK(cgroup);
    spawn_counter(*cgroup);
    ASSERT_TRUE(counts());
    ASSERT_OK(cgroup->freeze());
    EXPECT_TRUE(*cgroup->frozen());
    const uint64_t before = counter_->load();
    ::usleep(50'000);
    EXPECT_EQ(counter_->load(), before);
    ASSERT_OK(cgroup->thaw());
    EXPECT_FALSE(*cgroup->frozen());
    EXPECT_TRUE(counts());
  }

  // A tree that forks as fast as it may, within a pids limit where there is one.
  void kill_fork_bomb(const CgroupLocation& where, bool frozen) {
    if (where.directories.empty()) GTEST_SKIP() << "no such hierarchy here";
    CgroupLimits limits;
    Group group(where);
    if (group.find("pids") != nullptr) limits.pids_limit = 40;
    auto cgroup = Cgroup::create(where, limits);
    ASSERT_OK(cgroup);
    const bool limited = limits.pids_limit.has_value();
    spawn(*cgroup, [limited] {
      // Without a limit every process has one child and leaves: as hard to catch, and bounded.
      while (true) {
        const pid_t child = ::fork();
        if (child > 0 && !limited) return 0;
        if (child > 0) (void)::usleep(200);
      }
      return 0;
    });
    ::usleep(20'000);
    if (frozen) ASSERT_OK(cgroup->freeze());
    ASSERT_OK(cgroup->kill_all(10'000));
    const auto left = cgroup->processes();
    ASSERT_OK(left);
    EXPECT_TRUE(left->empty());
    ASSERT_OK(cgroup->remove());
  }

  std::atomic<uint64_t>* counter_ = nullptr;
};

TEST_F(CgroupKill, FreezesAndThaws) { freeze_and_thaw(location()); }
TEST_F(CgroupKill, FreezesAndThawsOnUnifiedAlone) { freeze_and_thaw(unified_location()); }

TEST_F(CgroupKill, GroupBelowAFrozenOneIsNotItselfFrozen) {
  auto outer = Cgroup::create(location("/outer"), {});
  auto inner = Cgroup::create(location("/outer/inner"), {});
  ASSERT_OK(outer);
  ASSERT_OK(inner);
  spawn_counter(*inner);
  ASSERT_OK(outer->freeze());
  EXPECT_TRUE(*outer->frozen());
  EXPECT_FALSE(*inner->frozen());
  ASSERT_OK(outer->thaw());
  ASSERT_OK(inner->freeze());
  EXPECT_FALSE(*outer->frozen());
  EXPECT_TRUE(*inner->frozen());
}

TEST_F(CgroupKill, FrozenGroupIsNotReused) {
  auto cgroup = Cgroup::create(location(), {});
  ASSERT_OK(cgroup);
  if (directory(location(), "freezer").empty()) GTEST_SKIP() << "no v1 freezer here";
  ASSERT_OK(cgroup->freeze());
  const auto again = Cgroup::create(location(), {});
  ASSERT_FALSE(again.ok());
  EXPECT_NE(again.error().context.find("unexpectedly frozen"), std::string::npos);
  ASSERT_OK(cgroup->thaw());
}

TEST_F(CgroupKill, KillsAForkBomb) { kill_fork_bomb(location(), false); }
TEST_F(CgroupKill, KillsAFrozenForkBomb) { kill_fork_bomb(location(), true); }
TEST_F(CgroupKill, KillsAForkBombWithoutCgroupKill) { kill_fork_bomb(v1_location(), false); }
TEST_F(CgroupKill, KillsAFrozenForkBombWithoutCgroupKill) { kill_fork_bomb(v1_location(), true); }
TEST_F(CgroupKill, KillsAForkBombOnUnifiedAlone) { kill_fork_bomb(unified_location(), false); }
TEST_F(CgroupKill, KillsAFrozenForkBombOnUnifiedAlone) { kill_fork_bomb(unified_location(), true); }

TEST_F(CgroupKill, KillsWhatLeftTheUnifiedGroup) {
  if (unified_location().directories.empty() || v1_location().directories.empty())
    GTEST_SKIP() << "not hybrid";
  auto cgroup = Cgroup::create(location(), {});
  ASSERT_OK(cgroup);
  const pid_t pid = spawn_sleeper(*cgroup);
  const std::string elsewhere = directory(location(""), kUnified) + "/cgroup.procs";
  ASSERT_OK(write_existing(elsewhere, std::to_string(pid)));
  ASSERT_OK(cgroup->kill_all(10'000));
  EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
}

TEST_F(CgroupKill, KillReachesNestedGroups) {
  auto cgroup = Cgroup::create(location(), {});
  auto nested = Cgroup::create(location("/box/nested/deeper"), {});
  ASSERT_OK(cgroup);
  ASSERT_OK(nested);
  const pid_t pid = spawn_sleeper(*nested);
  EXPECT_EQ(*cgroup->processes(), std::vector<pid_t>{pid});
  ASSERT_OK(cgroup->kill_all(10'000));
  EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
}

TEST_F(CgroupKill, SignalReachesAllAndAFrozenGroupStaysFrozen) {
  auto cgroup = Cgroup::create(location(), {});
  ASSERT_OK(cgroup);
  const pid_t one = spawn_sleeper(*cgroup);
  const pid_t two = spawn_sleeper(*cgroup);
  ASSERT_OK(cgroup->freeze());
  ASSERT_OK(cgroup->signal_all(SIGTERM));
  EXPECT_TRUE(*cgroup->frozen());
  EXPECT_EQ(::kill(one, 0), 0);
  ASSERT_OK(cgroup->thaw());
  EXPECT_EQ(wait_for(one), 128 + SIGTERM);
  EXPECT_EQ(wait_for(two), 128 + SIGTERM);
}

TEST_F(CgroupKill, FreezerGroupThatIsGoneHidesNobody) {
  const CgroupLocation v1 = v1_location();
  const std::string freezer = directory(v1, "freezer");
  if (freezer.empty()) GTEST_SKIP() << "needs cgroup v1's freezer";
  auto cgroup = Cgroup::create(v1, {});
  ASSERT_OK(cgroup);
  const pid_t pid = spawn_sleeper(*cgroup);
  // What a half-done removal leaves when a tool of v1 has moved a process in one hierarchy.
  const std::string top = freezer.substr(0, freezer.find(top_));
  ASSERT_OK(write_existing(top + "/cgroup.procs", std::to_string(pid)));
  ASSERT_EQ(::rmdir(freezer.c_str()), 0);
  ASSERT_OK(cgroup->kill_all(5000));
  EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
}

TEST_F(CgroupKill, AbsentGroupIsDeadAlready) {
  Cgroup cgroup = Cgroup::open(location("/never/made"));
  ASSERT_OK(cgroup.kill_all(100));
  const auto pids = cgroup.processes();
  ASSERT_OK(pids);
  EXPECT_TRUE(pids->empty());
}

}  // namespace
}  // namespace gabion::kernel::test
