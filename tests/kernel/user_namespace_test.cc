// A user namespace without a process of its own.
#include "kernel/user_namespace.h"

#include <gtest/gtest.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

namespace gabion::kernel::test {
namespace {

class UserNamespaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  }
};

TEST_F(UserNamespaceTest, LivesOnWithTheDescriptorAloneAndLeavesNoProcess) {
  pid_t first = 0;
  Fd kept;
  {
    Result<UserNamespace> made = create_user_namespace({{0, 700000, 10}}, {{0, 800000, 20}});
    ASSERT_TRUE(made.ok()) << made.error().message();
    first = made->holder.pid();
    kept = std::move(made->fd);
  }
  EXPECT_EQ(::kill(first, 0), -1) << "reaped";
  EXPECT_EQ(::ioctl(kept.get(), NS_GET_NSTYPE), CLONE_NEWUSER);
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::setns(kept.get(), CLONE_NEWUSER) != 0) ::_exit(1);
    const Result<std::string> uids = read_file("/proc/self/uid_map", 256);
    const Result<std::string> gids = read_file("/proc/self/gid_map", 256);
    const bool mapped = uids.ok() && gids.ok() && uids->find("700000         10") != std::string::npos &&
                        gids->find("800000         20") != std::string::npos;
    ::_exit(mapped ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

// The first process shares the caller's memory: what the caller writes meanwhile must stay.
TEST_F(UserNamespaceTest, SharedMemoryIsTheCallersOwn) {
  errno = E2BIG;
  std::vector<UserNamespace> many;
  for (uint32_t i = 0; i < 20; ++i) {
    Result<UserNamespace> made = create_user_namespace({{0, 700000 + i, 1}}, {{0, 700000 + i, 1}});
    ASSERT_TRUE(made.ok()) << made.error().message();
    many.push_back(std::move(*made));
  }
  EXPECT_EQ(errno, E2BIG);
  many.clear();
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG | __WALL), -1) << "no child left";
}

TEST_F(UserNamespaceTest, NobodyMayTraceTheProcessThatSharesOurMemory) {
  ASSERT_EQ(::prctl(PR_SET_DUMPABLE, 1), 0);
  Result<UserNamespace> made = create_user_namespace({{0, 700000, 1}}, {{0, 700000, 1}});
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(::prctl(PR_GET_DUMPABLE), 0);
}

TEST_F(UserNamespaceTest, MapTheKernelRefusesIsAnErrorAndLeavesNoProcess) {
  const Result<UserNamespace> made = create_user_namespace({{0, 1000, 5}, {3, 2000, 5}}, {{0, 1000, 5}});
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message().find("user namespace"), std::string::npos) << made.error().message();
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG | __WALL), -1) << "no child left";
}

}  // namespace
}  // namespace gabion::kernel::test
