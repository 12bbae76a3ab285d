// The listening end of a filter, with real calls of a child that wait for its answers.
#include "kernel/notify.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "kernel/seccomp.h"
#include "kernel/seccomp_numbers.h"

namespace gabion::kernel::seccomp {
namespace {

// A child whose getppid(2) waits for this process.
class Notify : public testing::Test {
 protected:
  // `body` is the child's life after the filter; what it returns is its exit code.
  void start(const std::function<int()>& body) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const Fd ours(ends[0]);
    Fd theirs(ends[1]);
    child_ = fork();
    if (child_ == 0) _exit(life(theirs.get(), body));
    theirs.reset();
    int number = -1;
    ASSERT_EQ(read(ours.get(), &number, sizeof(number)), static_cast<ssize_t>(sizeof(number)));
    const auto pidfd = static_cast<int>(syscall(SYS_pidfd_open, child_, 0));
    ASSERT_GE(pidfd, 0);
    Fd listener(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, number, 0)));
    close(pidfd);
    ASSERT_TRUE(listener.valid()) << errno;
    ASSERT_EQ(write(ours.get(), "", 1), 1);
    Result<Listener> adopted = Listener::adopt(std::move(listener));
    ASSERT_TRUE(adopted.ok()) << adopted.error().message();
    listener_ = std::make_unique<Listener>(std::move(adopted).value());
  }

  void TearDown() override {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    (void)wait();
  }

  int wait() {
    int status = -1;
    while (waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    child_ = 0;
    return status;
  }

  // The wait for the listener, at most ten seconds.
  [[nodiscard]] short events() const {
    pollfd item{.fd = listener_->fd(), .events = POLLIN, .revents = 0};
    return poll(&item, 1, 10'000) == 1 ? item.revents : static_cast<short>(0);
  }

  pid_t child_ = 0;
  std::unique_ptr<Listener> listener_;

 private:
  static int life(int parent, const std::function<int()>& body) {
    Filter filter;
    filter.default_action = SECCOMP_RET_ALLOW;
    filter.bad_arch_action = SECCOMP_RET_ALLOW;
    filter.rules = {{{"getppid"}, SECCOMP_RET_USER_NOTIF, {}}};
    const Result<Program> program = compile(filter);
    if (!program.ok() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 250;
    const Result<int> number = load(*program, SECCOMP_FILTER_FLAG_NEW_LISTENER | kWaitKillableRecv);
    if (!number.ok() || write(parent, &*number, sizeof(*number)) != sizeof(*number)) return 251;
    char taken = 0;
    return read(parent, &taken, 1) == 1 ? body() : 252;
  }
};

TEST_F(Notify, TellsTheCallAndLetsItContinue) {
  start([] { return syscall(SYS_getppid, 11, 22, 33, 44, 55, 66) > 0 ? 7 : 8; });
  ASSERT_EQ(events(), POLLIN);
  const Result<std::optional<Notification>> call = listener_->receive();
  ASSERT_TRUE(call.ok() && *call);
  const Notification& seen = **call;
  EXPECT_EQ(seen.pid, child_);
  EXPECT_EQ(seen.nr, SYS_getppid);
  EXPECT_EQ(seen.arch, audit_arch(Abi::kNative));
  EXPECT_EQ(seen.args, (std::array<uint64_t, 6>{11, 22, 33, 44, 55, 66}));
  EXPECT_NE(seen.instruction_pointer, 0U);
  EXPECT_TRUE(listener_->still_valid(seen.id));
  ASSERT_TRUE(listener_->let_continue(seen.id).ok());
  EXPECT_EQ(WEXITSTATUS(wait()), 7);
  EXPECT_FALSE(listener_->still_valid(seen.id));
}

TEST_F(Notify, DeniesWithTheErrorGiven) {
  start([] { return syscall(SYS_getppid) < 0 ? errno : 0; });
  const Result<std::optional<Notification>> call = listener_->receive();
  ASSERT_TRUE(call.ok() && *call);
  ASSERT_TRUE(listener_->deny((*call)->id, 77).ok());
  EXPECT_EQ(WEXITSTATUS(wait()), 77);
}

TEST_F(Notify, ACallerKilledBeforeItsCallIsReceivedIsNoError) {
  start([] { return static_cast<int>(syscall(SYS_getppid)); });
  ASSERT_EQ(events(), POLLIN);
  kill(child_, SIGKILL);
  EXPECT_TRUE(WIFSIGNALED(wait()));
  // The kernel still counts the call that came: the first look finds nobody.
  const short left = events();
  EXPECT_NE(left & POLLHUP, 0);
  if ((left & POLLIN) == 0) return;
  const Result<std::optional<Notification>> call = listener_->receive();
  ASSERT_TRUE(call.ok()) << call.error().message();
  EXPECT_FALSE(*call);
}

TEST_F(Notify, AnAnswerToACallerThatIsGoneIsNoError) {
  start([] { return static_cast<int>(syscall(SYS_getppid)); });
  const Result<std::optional<Notification>> call = listener_->receive();
  ASSERT_TRUE(call.ok() && *call);
  kill(child_, SIGKILL);
  EXPECT_TRUE(WIFSIGNALED(wait()));
  EXPECT_FALSE(listener_->still_valid((*call)->id));
  EXPECT_TRUE(listener_->let_continue((*call)->id).ok());
  EXPECT_TRUE(listener_->deny((*call)->id, 1).ok());
}

// Without kWaitKillableRecv the call would begin again, or fail with EINTR.
TEST_F(Notify, ASignalDoesNotInterruptACallThatWasReceived) {
  start([] {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    if (sigaction(SIGUSR1, &action, nullptr) != 0) return 100;
    return syscall(SYS_getppid) > 0 ? 7 : errno;
  });
  const Result<std::optional<Notification>> call = listener_->receive();
  ASSERT_TRUE(call.ok() && *call);
  kill(child_, SIGUSR1);
  usleep(50'000);
  EXPECT_TRUE(listener_->still_valid((*call)->id));
  ASSERT_TRUE(listener_->let_continue((*call)->id).ok());
  EXPECT_EQ(WEXITSTATUS(wait()), 7);
}

TEST_F(Notify, TheEndOfTheLastProcessIsAHangUp) {
  start([] { return 5; });
  EXPECT_EQ(WEXITSTATUS(wait()), 5);
  EXPECT_NE(events() & POLLHUP, 0);
}

// Many callers hold the listener's lock while signals come: poll(2) says POLLERR, and the listener lives.
TEST_F(Notify, AnErrorOfPollIsNoEnd) {
  constexpr int kCallers = 8;
  start([] {
    for (int i = 0; i < kCallers; ++i) {
      if (fork() != 0) continue;
      (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (time_t end = time(nullptr) + 20; time(nullptr) < end;) (void)syscall(SYS_getppid);
      _exit(0);
    }
    return pause();
  });
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGALRM, &action, nullptr), 0);
  itimerval often{.it_interval = {0, 30}, .it_value = {0, 30}};
  ASSERT_EQ(setitimer(ITIMER_REAL, &often, nullptr), 0);
  int errors = 0;
  int ends = 0;
  for (time_t end = time(nullptr) + 10; errors == 0 && time(nullptr) < end;) {
    pollfd item{.fd = listener_->fd(), .events = POLLIN, .revents = 0};
    if (poll(&item, 1, 1000) != 1) continue;
    if (Listener::has_ended(item.revents)) ++ends;
    if ((item.revents & POLLIN) == 0) {
      ++errors;
      EXPECT_EQ(item.revents, POLLERR);
      continue;
    }
    const Result<std::optional<Notification>> call = listener_->receive();
    ASSERT_TRUE(call.ok()) << call.error().message();
    if (!*call) continue;
    EXPECT_TRUE(listener_->still_valid((*call)->id));
    ASSERT_TRUE(listener_->deny((*call)->id, 1).ok());
  }
  often = {};
  ASSERT_EQ(setitimer(ITIMER_REAL, &often, nullptr), 0);
  EXPECT_EQ(ends, 0);
  EXPECT_NE(events() & POLLIN, 0);  // and the callers go on asking it
  if (errors == 0) GTEST_SKIP() << "this machine has not made poll(2) say POLLERR";
}

TEST_F(Notify, WhatPollSaysOfTheEnd) {
  EXPECT_TRUE(Listener::has_ended(POLLHUP));
  EXPECT_TRUE(Listener::has_ended(POLLHUP | POLLERR));
  EXPECT_TRUE(Listener::has_ended(POLLNVAL));
  EXPECT_FALSE(Listener::has_ended(POLLERR));
  EXPECT_FALSE(Listener::has_ended(POLLIN | POLLERR));
  EXPECT_FALSE(Listener::has_ended(0));
}

TEST_F(Notify, ADescriptorThatIsNoListenerIsAnError) {
  Result<Listener> listener = Listener::adopt(Fd(open("/dev/null", O_RDONLY | O_CLOEXEC)));
  ASSERT_TRUE(listener.ok());  // only the first use tells
  EXPECT_FALSE(listener->receive().ok());
  EXPECT_FALSE(listener->let_continue(1).ok());
}

}  // namespace
}  // namespace gabion::kernel::seccomp
