// Device rules against real opens, on the v1 controller and by BPF; statistics; out of memory.
#include <poll.h>

#include <cstring>

#include "kernel/cgroup_oom.h"
#include "kernel/cgroup_stats.h"
#include "kernel/devices_bpf.h"
#include "tests/kernel/cgroup_fixture.h"

namespace gabion::kernel::test {
namespace {

using CgroupDevices = CgroupFixture;
using CgroupEvents = CgroupFixture;

DeviceRule rule(bool allow, char type, int64_t major, int64_t minor) {
  return {.allow = allow,
          .type = type,
          .major = major,
          .minor = minor,
          .read = true,
          .write = true,
          .mknod = true};
}

const DeviceRule kDenyAll = rule(false, 'a', -1, -1);
const DeviceRule kNull = rule(true, 'c', 1, 3);
const DeviceRule kZero = rule(true, 'c', 1, 5);

// Bit 0: /dev/null opens; bit 1: /dev/zero. 64: another error than EPERM.
int try_devices() {
  int opened = 0;
  int bit = 1;
  for (const char* path : {"/dev/null", "/dev/zero"}) {
    const int fd = ::open(path, O_RDWR);
    if (fd < 0 && errno != EPERM) return 64;
    if (fd >= 0) {
      opened |= bit;
      ::close(fd);
    }
    bit <<= 1;
  }
  return opened;
}

CgroupLimits with_devices(std::vector<DeviceRule> rules) {
  CgroupLimits limits;
  limits.devices = std::move(rules);
  return limits;
}

TEST_F(CgroupDevices, V1AllowsWhatTheListAllows) {
  SKIP_UNLESS("devices");
  auto cgroup = Cgroup::create(location(), with_devices({kDenyAll, kNull}));
  ASSERT_OK(cgroup);
  EXPECT_EQ(wait_for(spawn(*cgroup, try_devices)), 1);
  // A container with groups of its own: "a" would be EINVAL there, so only differences are written.
  ASSERT_EQ(::mkdir((directory(location(), "devices") + "/nested").c_str(), 0755), 0);
  ASSERT_OK(cgroup->apply(with_devices({kDenyAll, kNull, kZero})));
  EXPECT_EQ(wait_for(spawn(*cgroup, try_devices)), 3);
  ASSERT_OK(cgroup->apply(with_devices({kDenyAll, kZero})));
  EXPECT_EQ(wait_for(spawn(*cgroup, try_devices)), 2);
  EXPECT_EQ(value(location(), "devices", "devices.list"), "c 1:5 rwm");
}

TEST_F(CgroupDevices, V1EmptyListDeniesEverything) {
  SKIP_UNLESS("devices");
  const auto cgroup = Cgroup::create(location(), with_devices({}));
  ASSERT_OK(cgroup);
  EXPECT_EQ(wait_for(spawn(*cgroup, try_devices)), 0);
}

TEST_F(CgroupDevices, V1AllowAllWithExceptions) {
  SKIP_UNLESS("devices");
  const auto cgroup =
      Cgroup::create(location(), with_devices({rule(true, 'a', -1, -1), rule(false, 'c', 1, 5)}));
  ASSERT_OK(cgroup);
  EXPECT_EQ(wait_for(spawn(*cgroup, try_devices)), 1);
}

TEST_F(CgroupDevices, BpfAllowsWhatTheListAllowsAndIsReplaced) {
  const CgroupLocation where = unified_location();
  if (where.directories.empty()) GTEST_SKIP() << "no cgroup2 here";
  auto cgroup = Cgroup::create(where, with_devices({kDenyAll, kNull}));
  ASSERT_OK(cgroup);
  EXPECT_EQ(wait_for(spawn(*cgroup, try_devices)), 1);
  // Were the first program still attached too, /dev/zero would stay closed.
  ASSERT_OK(cgroup->apply(with_devices({kDenyAll, kZero})));
  EXPECT_EQ(wait_for(spawn(*cgroup, try_devices)), 2);
  ASSERT_OK(cgroup->apply(with_devices({rule(true, 'a', -1, -1)})));
  EXPECT_EQ(wait_for(spawn(*cgroup, try_devices)), 3);
}

TEST_F(CgroupDevices, VerifierTakesLongAndOddLists) {
  const CgroupLocation where = unified_location();
  if (where.directories.empty()) GTEST_SKIP() << "no cgroup2 here";
  std::vector<DeviceRule> rules = {kDenyAll};
  for (int i = 0; i < 500; ++i) {
    DeviceRule one = rule(i % 3 != 0, i % 5 == 0 ? 'b' : 'c', i % 7 == 0 ? -1 : i, i % 11 == 0 ? -1 : i);
    one.read = i % 2 == 0;
    one.mknod = i % 4 == 0;
    rules.push_back(one);
  }
  rules.push_back(kNull);
  const auto cgroup = Cgroup::create(where, with_devices(rules));
  ASSERT_OK(cgroup);
  EXPECT_EQ(wait_for(spawn(*cgroup, try_devices)) & 1, 1);
}

TEST_F(CgroupEvents, OutOfMemoryIsReportedAndThenTheEnd) {
  SKIP_UNLESS("memory");
  CgroupLimits limits;
  limits.memory_limit = 16 << 20;
  limits.memory_swap = 16 << 20;
  auto cgroup = Cgroup::create(location(), limits);
  ASSERT_OK(cgroup);
  auto notifier = OomNotifier::open(location());
  ASSERT_OK(notifier);
  EXPECT_EQ(*notifier->read_event(), OomNotifier::Event::kNone);
  EXPECT_EQ(wait_for(spawn(*cgroup, eat_memory)), 128 + SIGKILL);
  pollfd waiting{.fd = notifier->fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&waiting, 1, 5000), 1);
  EXPECT_EQ(*notifier->read_event(), OomNotifier::Event::kOom);
  EXPECT_EQ(*notifier->read_event(), OomNotifier::Event::kNone);
  ASSERT_OK(cgroup->remove());
  ASSERT_EQ(::poll(&waiting, 1, 5000), 1);
  EXPECT_EQ(*notifier->read_event(), OomNotifier::Event::kGone);
}

TEST_F(CgroupEvents, StatisticsOfALivingGroup) {
  SKIP_UNLESS("memory");
  SKIP_UNLESS("pids");
  CgroupLimits limits;
  limits.memory_limit = 128 << 20;
  limits.pids_limit = 12;
  limits.cpuset_cpus = "0";
  const auto cgroup = Cgroup::create(location(), limits);
  ASSERT_OK(cgroup);
  spawn(*cgroup, [] {
    (void)eat_memory();
    for (volatile int i = 0; i < 20'000'000;) i = i + 1;
    ::pause();
    return 0;
  });
  ::usleep(300'000);
  const auto stats = read_stats(location());
  ASSERT_OK(stats);
  EXPECT_GT(stats->cpu.total_ns, 1'000'000u);
  EXPECT_GE(stats->cpu.per_cpu_ns.size(), 1u);
  EXPECT_GE(stats->memory.usage.usage, 60u << 20);
  EXPECT_EQ(stats->memory.usage.limit, 128u << 20);
  EXPECT_GE(stats->memory.usage.max, stats->memory.usage.usage);
  EXPECT_GE(stats->memory.rss, 60u << 20);
  EXPECT_FALSE(stats->memory.stat.empty());
  EXPECT_EQ(stats->pids.current, 1u);
  EXPECT_EQ(stats->pids.limit, 12u);
  EXPECT_EQ(stats->cpuset.cpus, std::vector<uint16_t>{0});
}

TEST_F(CgroupEvents, StatisticsOnUnifiedAlone) {
  const CgroupLocation where = unified_location();
  if (where.directories.empty()) GTEST_SKIP() << "no cgroup2 here";
  const auto cgroup = Cgroup::create(where, {});
  ASSERT_OK(cgroup);
  spawn(*cgroup, [] {
    for (volatile int i = 0; i < 20'000'000;) i = i + 1;
    ::pause();
    return 0;
  });
  ::usleep(300'000);
  const auto stats = read_stats(where);
  ASSERT_OK(stats);
  EXPECT_GT(stats->cpu.total_ns, 1'000'000u);
  EXPECT_FALSE(read_stats(unified_location("/never/made")).ok());
}

}  // namespace
}  // namespace gabion::kernel::test
