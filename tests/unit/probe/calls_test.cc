// Which calls get past filters: filters of the test's own, in children.
#include "probe/calls.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace gabion::probe {
namespace {

Call native(long number, std::array<uint64_t, 6> arguments = {}) {
  return {static_cast<uint32_t>(number), false, arguments};
}

// In a child, under a filter that gives `number` the answer `action` and lets everything else through.
int under_filter(long number, uint32_t action, const std::function<int()>& test) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    sock_filter code[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<uint32_t>(number)},
        {BPF_RET | BPF_K, 0, 0, action},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    sock_fprog program{4, code};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
      ::_exit(100);
    ::_exit(test());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Calls, NothingIsDoneAndEverythingIsReachedWithoutAFilter) {
  // Each of them would be the end of the test, or of the machine.
  const Result<std::vector<Answer>> answers =
      try_calls({native(SYS_exit_group), native(SYS_kill, {static_cast<uint64_t>(::getpid()), 9}),
                 native(SYS_pause), native(SYS_reboot, {0xfee1dead, 672274793, RB_AUTOBOOT}),
                 native(SYS_vfork), native(SYS_rt_sigreturn)});
  ASSERT_TRUE(answers.ok()) << answers.error().message();
  for (const Answer& answer : *answers) EXPECT_EQ(answer.kind, Answer::Kind::kReached);
}

TEST(Calls, ARefusalIsToldFromAnArrival) {
  for (const int error : {EPERM, ENOSYS, EACCES}) {
    const int outcome = under_filter(SYS_getppid, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error), [error] {
      const Result<std::vector<Answer>> answers =
          try_calls({native(SYS_getpid), native(SYS_getppid), native(SYS_getuid)});
      if (!answers.ok()) return 1;
      if ((*answers)[0].kind != Answer::Kind::kReached || (*answers)[2].kind != Answer::Kind::kReached)
        return 2;
      return (*answers)[1].kind == Answer::Kind::kRefused && (*answers)[1].error == error ? 0 : 3;
    });
    EXPECT_EQ(outcome, 0) << strerrorname_np(error);
  }
}

TEST(Calls, AFilterThatKillsIsSurvived) {
  const int outcome = under_filter(SYS_getppid, SECCOMP_RET_KILL_PROCESS, [] {
    const Result<std::vector<Answer>> answers =
        try_calls({native(SYS_getpid), native(SYS_getppid), native(SYS_getppid), native(SYS_getuid)});
    if (!answers.ok()) return 1;
    if ((*answers)[0].kind != Answer::Kind::kReached || (*answers)[3].kind != Answer::Kind::kReached)
      return 2;
    return (*answers)[1].kind == Answer::Kind::kKilled && (*answers)[2].kind == Answer::Kind::kKilled ? 0 : 3;
  });
  EXPECT_EQ(outcome, 0);
}

// A child that a filter kills at once may be gone before its listener is seen.
TEST(Calls, NoListenerIsLeftBehind) {
  const int outcome = under_filter(SYS_getppid, SECCOMP_RET_KILL_PROCESS, [] {
    const int before = ::dup(0);
    (void)::close(before);
    const rlimit few{32, 32};
    if (::setrlimit(RLIMIT_NOFILE, &few) != 0) return 1;
    const Result<std::vector<Answer>> answers = try_calls(std::vector<Call>(100, native(SYS_getppid)));
    if (!answers.ok()) return 2;
    const int after = ::dup(0);
    return after == before ? 0 : 3;
  });
  EXPECT_EQ(outcome, 0);
}

TEST(Calls, WithoutAFilterOfItsOwnItSaysSo) {
  EXPECT_EQ(under_filter(SYS_seccomp, SECCOMP_RET_ERRNO | EPERM,
                         [] {
                           const Result<std::vector<Answer>> answers = try_calls({native(SYS_getpid)});
                           return !answers.ok() && answers.error().sys_errno == EPERM ? 0 : 1;
                         }),
            0);
}

#if defined(__x86_64__)
TEST(Calls, TheOtherConventionIsItsOwn) {
  // 20 is getpid(2) for i386 and writev(2) for x86_64.
  const Result<std::vector<Answer>> answers = try_calls({Call{20, true, {}}, native(20)});
  ASSERT_TRUE(answers.ok());
  EXPECT_NE((*answers)[0].kind, Answer::Kind::kUnknown);
  EXPECT_NE((*answers)[0].kind, Answer::Kind::kRefused);
  EXPECT_EQ((*answers)[1].kind, Answer::Kind::kReached);
}
#endif

}  // namespace
}  // namespace gabion::probe
