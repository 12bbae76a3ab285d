// On a host that has cgroup2 alone: controllers are passed down, limits arrive, events are told.
#include <poll.h>

#include "kernel/cgroup_oom.h"
#include "kernel/cgroup_stats.h"
#include "tests/kernel/cgroup_fixture.h"

namespace gabion::kernel::test {
namespace {

class CgroupUnified : public CgroupFixture {
 protected:
  void SetUp() override {
    if (cgroup_mode() != CgroupMode::kUnified) GTEST_SKIP() << "needs a host with cgroup2 alone";
    CgroupFixture::SetUp();
  }
};

TEST_F(CgroupUnified, LimitsArriveThroughNewParents) {
  CgroupLimits limits;
  limits.memory_limit = 64 << 20;
  limits.memory_swap = 96 << 20;
  limits.memory_reservation = 32 << 20;
  limits.cpu_shares = 1024;
  limits.cpu_quota = 20000;
  limits.cpu_period = 50000;
  limits.cpu_burst = 1000;
  limits.cpuset_cpus = "0";
  limits.cpuset_mems = "0";
  limits.pids_limit = 20;
  const CgroupLocation here = location("/a/b/box");
  auto cgroup = Cgroup::create(here, limits);
  ASSERT_OK(cgroup);
  EXPECT_EQ(value(here, "unified", "memory.max"), "67108864");
  EXPECT_EQ(value(here, "unified", "memory.swap.max"), "33554432");
  EXPECT_EQ(value(here, "unified", "memory.low"), "33554432");
  EXPECT_EQ(value(here, "unified", "cpu.weight"), "100");
  EXPECT_EQ(value(here, "unified", "cpu.max"), "20000 50000");
  EXPECT_EQ(value(here, "unified", "cpu.max.burst"), "1000");
  EXPECT_EQ(value(here, "unified", "cpuset.cpus"), "0");
  EXPECT_EQ(value(here, "unified", "pids.max"), "20");
  limits = CgroupLimits{};
  limits.cpu_period = 100000;
  limits.memory_limit = -1;
  limits.unified = {{"memory.high", "50331648"}};
  ASSERT_OK(cgroup->apply(limits));
  EXPECT_EQ(value(here, "unified", "cpu.max"), "20000 100000");
  EXPECT_EQ(value(here, "unified", "memory.max"), "max");
  EXPECT_EQ(value(here, "unified", "memory.swap.max"), "max");
  EXPECT_EQ(value(here, "unified", "memory.high"), "50331648");
}

TEST_F(CgroupUnified, ParentWithProcessesIsNamedWhenALimitNeedsIt) {
  const auto parent = Cgroup::create(location("/busy"), {});
  ASSERT_OK(parent);
  spawn_sleeper(*parent);
  ASSERT_OK(Cgroup::create(location("/busy/unlimited"), {}));
  CgroupLimits limits;
  limits.memory_limit = 64 << 20;
  const auto child = Cgroup::create(location("/busy/limited"), limits);
  ASSERT_FALSE(child.ok());
  EXPECT_EQ(child.error().code, Code::kUnsupported);
  EXPECT_NE(child.error().context.find("cannot set the memory limit"), std::string::npos)
      << child.error().context;
  EXPECT_NE(child.error().context.find("/busy/cgroup.subtree_control"), std::string::npos)
      << child.error().context;
}

TEST_F(CgroupUnified, PidsLimitStopsFork) {
  CgroupLimits limits;
  limits.pids_limit = 2;
  const auto cgroup = Cgroup::create(location(), limits);
  ASSERT_OK(cgroup);
  const pid_t pid = spawn(*cgroup, [] {
    const pid_t one = ::fork();
    if (one == 0) ::pause();
    return one > 0 && ::fork() < 0 && errno == EAGAIN ? 0 : 1;
  });
  EXPECT_EQ(wait_for(pid), 0);
}

TEST_F(CgroupUnified, OutOfMemoryIsReportedAndThenTheEnd) {
  CgroupLimits limits;
  limits.memory_limit = 16 << 20;
  limits.memory_swap = 16 << 20;
  auto cgroup = Cgroup::create(location(), limits);
  ASSERT_OK(cgroup);
  const pid_t other = spawn_sleeper(*cgroup);
  auto notifier = OomNotifier::open(location());
  ASSERT_OK(notifier);
  EXPECT_EQ(wait_for(spawn(*cgroup, eat_memory)), 128 + SIGKILL);
  pollfd waiting{.fd = notifier->fd(), .events = POLLIN, .revents = 0};
  OomNotifier::Event event = OomNotifier::Event::kNone;
  while (event == OomNotifier::Event::kNone && ::poll(&waiting, 1, 5000) == 1)
    event = *notifier->read_event();
  EXPECT_EQ(event, OomNotifier::Event::kOom);
  ASSERT_OK(cgroup->kill_all(10'000));
  EXPECT_EQ(wait_for(other), 128 + SIGKILL);
  do {
    event = *notifier->read_event();
  } while (event != OomNotifier::Event::kGone && ::poll(&waiting, 1, 5000) == 1);
  EXPECT_EQ(event, OomNotifier::Event::kGone);
}

TEST_F(CgroupUnified, StatisticsOfALivingGroup) {
  CgroupLimits limits;
  limits.memory_limit = 128 << 20;
  limits.memory_swap = 160 << 20;
  limits.pids_limit = 12;
  limits.cpuset_cpus = "0";
  const auto cgroup = Cgroup::create(location(), limits);
  ASSERT_OK(cgroup);
  spawn(*cgroup, [] {
    (void)eat_memory();
    ::pause();
    return 0;
  });
  for (int i = 0; i < 100 && read_stats(location())->memory.rss < 60u << 20; ++i) ::usleep(50'000);
  const auto stats = read_stats(location());
  ASSERT_OK(stats);
  EXPECT_GT(stats->cpu.total_ns, 0u);
  EXPECT_GE(stats->memory.usage.usage, 60u << 20);
  EXPECT_EQ(stats->memory.usage.limit, 128u << 20);
  EXPECT_EQ(stats->memory.swap.limit, 160u << 20);
  EXPECT_EQ(stats->pids.current, 1u);
  EXPECT_EQ(stats->pids.limit, 12u);
  EXPECT_EQ(stats->cpuset.cpus, std::vector<uint16_t>{0});
}

}  // namespace
}  // namespace gabion::kernel::test
