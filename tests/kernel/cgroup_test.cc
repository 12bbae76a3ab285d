// Making, joining, limiting and removing real groups.
#include "kernel/cgroup.h"

#include <linux/sched.h>
#include <sys/syscall.h>

#include "tests/kernel/cgroup_fixture.h"

namespace gabion::kernel::test {
namespace {

using CgroupTest = CgroupFixture;

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::string own_group(std::string_view controllers, pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/cgroup", 1 << 16);
  if (!text.ok()) return "";
  const std::string key = ":" + std::string(controllers) + ":";
  const size_t at = text->find(key);
  if (at == std::string::npos) return "";
  return text->substr(at + key.size(), text->find('\n', at) - at - key.size());
}

// In how many hierarchies `pid` is in a group that ends in `path`.
size_t joined(pid_t pid, const std::string& path) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/cgroup", 1 << 16);
  size_t lines = 0;
  if (!text.ok()) return lines;
  for (size_t at = 0; (at = text->find(path + "\n", at)) != std::string::npos; ++at) ++lines;
  return lines;
}

TEST_F(CgroupTest, LocatesEveryHierarchyWithoutLeavingIt) {
  const CgroupLocation here = location("/../../../box");
  ASSERT_FALSE(here.directories.empty());
  for (const auto& [name, path] : here.directories) {
    EXPECT_TRUE(path.ends_with("/box")) << path;
    EXPECT_TRUE(path.starts_with("/sys/fs/cgroup/")) << path;
    EXPECT_EQ(path.find(".."), std::string::npos) << path;
  }
  EXPECT_FALSE(Cgroup::locate("/../..", "id").ok());
  EXPECT_FALSE(Cgroup::locate("/", "id").ok());
}

TEST_F(CgroupTest, RelativePathIsBelowTheCallersOwnGroup) {
  SKIP_UNLESS("memory");
  const auto relative = Cgroup::locate("../box", "id");
  ASSERT_OK(relative);
  const std::string own = own_group("memory", ::getpid());
  EXPECT_EQ(directory(*relative, "memory"), "/sys/fs/cgroup/memory" + (own == "/" ? "" : own) + "/box");
}

TEST_F(CgroupTest, ChildJoinsEveryHierarchy) {
  const auto cgroup = Cgroup::create(location(), {});
  ASSERT_OK(cgroup);
  const pid_t pid = spawn_sleeper(*cgroup);
  EXPECT_EQ(joined(pid, top_ + "/box"), location().directories.size());
  const auto pids = cgroup->processes();
  ASSERT_OK(pids);
  EXPECT_EQ(*pids, std::vector<pid_t>{pid});
}

TEST_F(CgroupTest, CloneIntoAndTasksTogetherJoinEveryHierarchy) {
  SKIP_UNLESS("unified");
  const auto cgroup = Cgroup::create(location(), {});
  ASSERT_OK(cgroup);
  const auto into = cgroup->open_into();
  const auto tasks = cgroup->open_procs("", Cgroup::Join::kWithoutUnified);
  ASSERT_OK(into);
  ASSERT_OK(tasks);
  EXPECT_EQ(tasks->size() + 1, location().directories.size());
  clone_args arguments{};
  arguments.flags = CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = static_cast<uint64_t>(into->get());
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof(arguments)));
  if (pid == 0) {
    for (const Fd& file : *tasks) {
      if (::write(file.get(), "0", 1) != 1) ::_exit(99);
    }
    ::_exit(joined(::getpid(), top_ + "/box") == tasks->size() + 1 ? 0 : 1);
  }
  ASSERT_GT(pid, 0);
  EXPECT_EQ(wait_for(pid), 0);
}

TEST_F(CgroupTest, ExecCanJoinASubGroupOfOneController) {
  SKIP_UNLESS("memory");
  const auto cgroup = Cgroup::create(location(), {});
  ASSERT_OK(cgroup);
  ASSERT_EQ(::mkdir((directory(location(), "memory") + "/sub").c_str(), 0755), 0);
  EXPECT_TRUE(cgroup->open_procs("memory:sub").ok());
  EXPECT_TRUE(cgroup->open_procs("/").ok());
  const auto missing = cgroup->open_procs("nonexistent");
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().message().find("/nonexistent/cgroup.procs: no such file"), std::string::npos);
  EXPECT_NE(missing.error().message().find(" adding pid "), std::string::npos);
  const auto unknown = cgroup->open_procs("whaaat:/");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message().find("unknown controller "), std::string::npos);
  // ".." stays inside the container's group.
  EXPECT_TRUE(cgroup->open_procs("../../..").ok());
}

TEST_F(CgroupTest, PidsLimitStopsFork) {
  SKIP_UNLESS("pids");
  CgroupLimits limits;
  limits.pids_limit = 3;
  const auto cgroup = Cgroup::create(location(), limits);
  ASSERT_OK(cgroup);
  const pid_t pid = spawn(*cgroup, [] {
    int forked = 0;
    while (forked < 10) {
      const pid_t child = ::fork();
      if (child == 0) ::pause();
      if (child < 0) return errno == EAGAIN ? forked : 50;
      ++forked;
    }
    return forked;
  });
  EXPECT_EQ(wait_for(pid), 2);
}

TEST_F(CgroupTest, LimitsAreReadBack) {
  SKIP_UNLESS("memory");
  SKIP_UNLESS("cpuset");
  CgroupLimits limits;
  limits.memory_limit = 64 << 20;
  limits.memory_swap = 128 << 20;
  limits.memory_reservation = 32 << 20;
  limits.memory_swappiness = 7;
  limits.cpu_shares = 512;
  limits.cpu_quota = 20000;
  limits.cpu_period = 50000;
  limits.cpu_burst = 10000;
  limits.cpuset_cpus = "0";
  limits.pids_limit = -1;
  limits.blkio_weight = 200;
  const CgroupLocation here = location("/a/b/box");
  ASSERT_OK(Cgroup::create(here, limits));
  EXPECT_EQ(value(here, "memory", "memory.limit_in_bytes"), "67108864");
  EXPECT_EQ(value(here, "memory", "memory.memsw.limit_in_bytes"), "134217728");
  EXPECT_EQ(value(here, "memory", "memory.soft_limit_in_bytes"), "33554432");
  EXPECT_EQ(value(here, "memory", "memory.swappiness"), "7");
  EXPECT_EQ(value(here, "cpu", "cpu.shares"), "512");
  EXPECT_EQ(value(here, "cpu", "cpu.cfs_quota_us"), "20000");
  EXPECT_EQ(value(here, "cpu", "cpu.cfs_period_us"), "50000");
  EXPECT_EQ(value(here, "cpu", "cpu.cfs_burst_us"), "10000");
  EXPECT_EQ(value(here, "cpuset", "cpuset.cpus"), "0");
  EXPECT_EQ(value(here, "cpuset", "cpuset.mems"), value(location(""), "cpuset", "cpuset.mems"));
  EXPECT_NE(value(here, "cpuset", "cpuset.mems"), "");
  EXPECT_EQ(value(here, "pids", "pids.max"), "max");
  EXPECT_EQ(value(here, "blkio", "blkio.bfq.weight"), "200");
}

TEST_F(CgroupTest, UpdatesGrowAndShrinkMemoryAndSwapInAnyOrder) {
  SKIP_UNLESS("memory");
  CgroupLimits limits;
  auto set = [&](int64_t memory, int64_t swap) {
    limits.memory_limit = memory;
    limits.memory_swap = swap;
  };
  set(64 << 20, 64 << 20);
  auto cgroup = Cgroup::create(location(), limits);
  ASSERT_OK(cgroup);
  set(256 << 20, 512 << 20);
  ASSERT_OK(cgroup->apply(limits));
  EXPECT_EQ(value(location(), "memory", "memory.limit_in_bytes"), "268435456");
  set(32 << 20, 48 << 20);
  ASSERT_OK(cgroup->apply(limits));
  EXPECT_EQ(value(location(), "memory", "memory.memsw.limit_in_bytes"), "50331648");
  // Unlimited memory with no word on swap lifts both, or the kernel would refuse the first.
  limits = CgroupLimits{};
  limits.memory_limit = -1;
  ASSERT_OK(cgroup->apply(limits));
  EXPECT_EQ(value(location(), "memory", "memory.memsw.limit_in_bytes"),
            value(location(""), "memory", "memory.memsw.limit_in_bytes"));
  // runc retries the period when the old quota does not fit it.
  limits = CgroupLimits{};
  limits.cpu_quota = 300000;
  limits.cpu_period = 1000000;
  ASSERT_OK(cgroup->apply(limits));
  limits.cpu_quota = 1000;
  limits.cpu_period = 1000;
  ASSERT_OK(cgroup->apply(limits));
  EXPECT_EQ(value(location(), "cpu", "cpu.cfs_quota_us"), "1000");
}

TEST_F(CgroupTest, IdleGroupKeepsItsSharesForLater) {
  SKIP_UNLESS("cpu");
  CgroupLimits limits;
  limits.cpu_shares = 200;
  limits.cpu_idle = 1;
  auto cgroup = Cgroup::create(location(), limits);
  ASSERT_OK(cgroup);
  ASSERT_OK(cgroup->apply(limits));
  EXPECT_EQ(value(location(), "cpu", "cpu.idle"), "1");
  limits.cpu_idle = 0;
  ASSERT_OK(cgroup->apply(limits));
  EXPECT_EQ(value(location(), "cpu", "cpu.shares"), "200");
}

TEST_F(CgroupTest, RefusedValueNamesFileAndLeavesNothing) {
  SKIP_UNLESS("pids");
  CgroupLimits limits;
  limits.pids_limit = int64_t{1} << 40;
  const auto cgroup = Cgroup::create(location("/a/box"), limits);
  ASSERT_FALSE(cgroup.ok());
  EXPECT_EQ(cgroup.error().message(), "failed to write \"1099511627776\" to \"" +
                                          directory(location("/a/box"), "pids") +
                                          "/pids.max\": invalid argument");
  for (const auto& [name, path] : location("").directories) EXPECT_FALSE(exists(path)) << path;
}

TEST_F(CgroupTest, LimitWithoutItsControllerIsAnError) {
  if (!directory(location(), "net_cls").empty()) GTEST_SKIP() << "net_cls is mounted here";
  CgroupLimits limits;
  limits.net_class_id = 0;  // as some engines send what they do not set
  ASSERT_OK(Cgroup::create(location("/a"), limits));
  limits.net_class_id = 1;
  const auto cgroup = Cgroup::create(location("/b"), limits);
  ASSERT_FALSE(cgroup.ok());
  EXPECT_EQ(cgroup.error().code, Code::kUnsupported);
  const char* name = cgroup_mode() == CgroupMode::kUnified ? "network.classID" : "net_cls";
  EXPECT_NE(cgroup.error().context.find(name), std::string::npos) << cgroup.error().context;
}

TEST_F(CgroupTest, TwoStepsMakeWhatOneDoes) {
  if (!location().has_v1())
    GTEST_SKIP() << "needs a v1 hierarchy: on cgroup v2 alone a group is made in one step";
  const auto unified = Cgroup::create_unified(location());
  ASSERT_OK(unified);
  for (const auto& [name, path] : location().directories) EXPECT_EQ(exists(path), name == "unified") << path;
  const auto into = unified->open_into();
  ASSERT_OK(into);
  EXPECT_EQ(into->valid(), exists("/sys/fs/cgroup/unified"));
  CgroupLimits limits;
  limits.pids_limit = 7;
  const auto whole = Cgroup::create_v1(location(), limits);
  ASSERT_OK(whole);
  EXPECT_EQ(whole->location().directories, location().directories);
  const pid_t pid = spawn_sleeper(*whole);
  EXPECT_EQ(joined(pid, top_ + "/box"), location().directories.size());
  EXPECT_EQ(value(location(), "pids", "pids.max"), "7");
}

TEST_F(CgroupTest, VacantGroupGoesAtOnceAndAnOccupiedOneStays) {
  auto cgroup = Cgroup::create(location(), {});
  ASSERT_OK(cgroup);
  const pid_t pid = spawn_sleeper(*cgroup);
  EXPECT_FALSE(cgroup->remove_if_vacant());
  EXPECT_EQ(::kill(pid, 0), 0);
  ASSERT_OK(cgroup->kill_all(5000));
  EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
  EXPECT_TRUE(cgroup->remove_if_vacant());
  for (const auto& [name, path] : location().directories) EXPECT_FALSE(exists(path)) << path;
  EXPECT_TRUE(cgroup->remove_if_vacant()) << "what is gone is vacant";
}

TEST_F(CgroupTest, OccupiedGroupIsRefusedAndKept) {
  const auto cgroup = Cgroup::create(location(), {});
  ASSERT_OK(cgroup);
  // Empty: may be used, as engines make groups ahead.
  ASSERT_OK(Cgroup::create(location(), {}));
  const pid_t pid = spawn_sleeper(*cgroup);
  const auto second = Cgroup::create(location(), {});
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().context.find("container's cgroup is not empty"), std::string::npos);
  EXPECT_EQ(::kill(pid, 0), 0);
  for (const auto& [name, path] : location().directories) EXPECT_TRUE(exists(path)) << path;
}

TEST_F(CgroupTest, RemoveTakesNestedGroupsAndLeavesParents) {
  auto cgroup = Cgroup::create(location("/parent/box"), {});
  ASSERT_OK(cgroup);
  for (const auto& [name, path] : location("/parent/box").directories) {
    std::string deep = path;
    for (int depth = 0; depth < 40; ++depth) {
      deep += "/nested";
      ASSERT_EQ(::mkdir(deep.c_str(), 0755), 0) << deep;
      ASSERT_EQ(::mkdir((deep + "-side").c_str(), 0755), 0);
    }
  }
  ASSERT_OK(cgroup->remove());
  for (const auto& [name, path] : location("/parent").directories) {
    EXPECT_FALSE(exists(path + "/box"));
    EXPECT_TRUE(exists(path));
  }
  ASSERT_OK(cgroup->remove());
}

TEST_F(CgroupTest, RemoveOfAnOccupiedGroupFailsInBoundedTime) {
  auto cgroup = Cgroup::create(location(), {});
  ASSERT_OK(cgroup);
  const pid_t pid = spawn_sleeper(*cgroup);
  const Status removed = cgroup->remove();
  ASSERT_FALSE(removed.ok());
  EXPECT_NE(removed.error().message().find("1 process(es) still in it"), std::string::npos);
  EXPECT_EQ(::kill(pid, 0), 0);
}

TEST_F(CgroupTest, FiftyStartsAtOnceWhileParentsComeAndGo) {
  // A bystander keeps removing the shared parents, as a delete elsewhere would.
  const pid_t bystander = ::fork();
  if (bystander == 0) {
    while (true) {
      for (const auto& [name, path] : location("/p/q").directories) {
        (void)::rmdir(path.c_str());
        (void)::rmdir(path.substr(0, path.rfind('/')).c_str());
      }
    }
  }
  std::vector<pid_t> starters;
  for (int i = 0; i < 50; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      CgroupLimits limits;
      limits.pids_limit = 10;
      for (int round = 0; round < 5; ++round) {
        auto cgroup = Cgroup::create(location("/p/q/box" + std::to_string(i)), limits);
        if (!cgroup.ok()) {
          (void)::fprintf(stderr, "create: %s\n", cgroup.error().message().c_str());
          ::_exit(1);
        }
        if (!cgroup->remove().ok()) ::_exit(2);
      }
      ::_exit(0);
    }
    starters.push_back(pid);
  }
  for (pid_t pid : starters) EXPECT_EQ(wait_for(pid), 0);
  ::kill(bystander, SIGKILL);
  (void)wait_for(bystander);
}

}  // namespace
}  // namespace gabion::kernel::test
