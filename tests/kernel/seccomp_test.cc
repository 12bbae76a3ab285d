// Filters as the running kernel takes and applies them. Every load happens in a child.
#include "kernel/seccomp.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <optional>
#include <string>

namespace gabion::kernel::seccomp {
namespace {

// A child's wait status. It ends by _exit(`body`()).
int status_of(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = -1;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

int exit_of(const std::function<int()>& body) {
  const int status = status_of(body);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

// 0 when `program` was loaded.
int confine(const Program& program, uint32_t flags = 0) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 250;
  return load(program, flags).ok() ? 0 : 251;
}

int errno_of(long result) { return result < 0 ? errno : 0; }

Filter allow_all_but(std::vector<Rule> rules) {
  Filter filter;
  filter.default_action = SECCOMP_RET_ALLOW;
  filter.bad_arch_action = SECCOMP_RET_KILL_PROCESS;
  filter.rules = std::move(rules);
  return filter;
}

TEST(Seccomp, LoadsAndDecides) {
  const Result<Program> program =
      compile(allow_all_but({{{"getppid"}, SECCOMP_RET_ERRNO | 77, {}},
                             {{"ioctl"}, SECCOMP_RET_ERRNO | 78, {{1, Compare::kEqual, 0x500000001, 0}}}}));
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(exit_of([&] {
              if (const int failed = confine(*program)) return failed;
              if (errno_of(syscall(SYS_getppid)) != 77) return 1;
              if (errno_of(syscall(SYS_ioctl, -1, 0x500000001L, 0)) != 78) return 2;
              if (errno_of(syscall(SYS_ioctl, -1, 0x600000001L, 0)) != EBADF) return 3;
              return 0;
            }),
            0);
}

TEST(Seccomp, NeedsNoNewPrivilegesOrCapability) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const Result<Program> program = compile(allow_all_but({}));
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(exit_of([&] {
              if (setresuid(65534, 65534, 65534) != 0) return 1;
              const Result<int> loaded = load(*program, 0);
              if (loaded.ok()) return 2;
              return loaded.error().sys_errno == EACCES &&
                             loaded.error().context.find("no_new_privs") != std::string::npos
                         ? 0
                         : 3;
            }),
            0);
}

TEST(Seccomp, GivesAListenerOnce) {
  const Result<Program> program = compile(allow_all_but({{{"getppid"}, SECCOMP_RET_USER_NOTIF, {}}}));
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(exit_of([&] {
              if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 1;
              const Result<int> listener = load(*program, SECCOMP_FILTER_FLAG_NEW_LISTENER);
              if (!listener.ok() || *listener < 0) return 2;
              if ((fcntl(*listener, F_GETFD) & FD_CLOEXEC) == 0) return 3;
              const Result<int> second = load(*program, SECCOMP_FILTER_FLAG_NEW_LISTENER);
              if (second.ok() || second.error().sys_errno != EBUSY) return 4;
              const Result<int> plain = load(*program, SECCOMP_FILTER_FLAG_LOG);
              return plain.ok() && *plain == -1 ? 0 : 5;
            }),
            0);
}

TEST(Seccomp, RefusesWhatTheKernelWould) {
  EXPECT_FALSE(load({}, 0).ok());
  EXPECT_FALSE(load(Program(BPF_MAXINSNS + 1), 0).ok());
}

// The largest program the compiler gives is one the kernel takes.
TEST(Seccomp, TheLargestProgramLoads) {
  std::optional<Program> largest;
  for (uint64_t rules = 100;; rules += 20) {
    Filter filter = allow_all_but({});
    for (uint64_t i = 0; i < rules; ++i) {
      filter.rules.push_back({{"ioctl", "fcntl"},
                              SECCOMP_RET_ERRNO | 77,
                              {{1, Compare::kEqual, i << 30 | i, 0}, {2, Compare::kLess, i << 31, 0}}});
    }
    Result<Program> program = compile(filter);
    if (!program) break;
    largest = std::move(program).value();
  }
  ASSERT_TRUE(largest.has_value());
  EXPECT_GT(largest->size(), 3500U);
  EXPECT_EQ(exit_of([&] { return confine(*largest); }), 0);
}

class DefaultProfile : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(builtin_profile("default"), nullptr); }
  static int confine_by_default() { return confine(*builtin_profile("default")); }
};

TEST_F(DefaultProfile, RunsPrograms) {
  EXPECT_EQ(exit_of([] {
              if (const int failed = confine_by_default()) return failed;
              execl("/bin/sh", "sh", "-c", "x=$(ls / | sort | tail -n 1); test -n \"$x\"", nullptr);
              return 1;
            }),
            0);
}

TEST_F(DefaultProfile, HoldsUnderTheRunningKernel) {
  EXPECT_EQ(exit_of([] {
              if (const int failed = confine_by_default()) return failed;
              if (errno_of(unshare(CLONE_NEWUSER)) != EPERM) return 1;
              if (errno_of(unshare(CLONE_FS)) != 0) return 2;
              if (errno_of(syscall(SYS_clone3, nullptr, 0)) != ENOSYS) return 3;
              if (errno_of(socket(AF_VSOCK, SOCK_STREAM, 0)) != EAFNOSUPPORT) return 4;
              if (errno_of(socket(AF_NETLINK, SOCK_RAW, 9)) != EAFNOSUPPORT) return 5;
              if (errno_of(socket(AF_NETLINK, SOCK_RAW, 0)) != 0) return 6;
              if (errno_of(socket(AF_INET, SOCK_STREAM, 0)) != 0) return 7;
              if (errno_of(syscall(SYS_ioctl, 0, 1L << 32 | TIOCSTI, "x")) != EPERM) return 8;
              if (errno_of(syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr)) != EPERM) return 9;
              if (errno_of(syscall(SYS_io_uring_setup, 1, nullptr)) != EPERM) return 10;
              if (errno_of(syscall(SYS_bpf, 0, nullptr, 0)) != EPERM) return 11;
              if (errno_of(syscall(1000)) != ENOSYS) return 12;
              return 0;
            }),
            0);
}

TEST_F(DefaultProfile, KillsOtherArchitectures) {
#if defined(__x86_64__)
  const int x32 = status_of([] {
    if (const int failed = confine_by_default()) return failed;
    (void)syscall(0x40000000 | SYS_getpid);
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(x32) && WTERMSIG(x32) == SIGSYS) << x32;
  const int i386 = status_of([] {
    if (const int failed = confine_by_default()) return failed;
    long result = 20;  // getpid
    asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(i386) && WTERMSIG(i386) == SIGSYS) << i386;
#else
  GTEST_SKIP() << "x86_64 only";
#endif
}

TEST_F(DefaultProfile, StacksAndTheStricterWins) {
  const Result<Program> lax = compile(allow_all_but({{{"getppid"}, SECCOMP_RET_ERRNO | 77, {}}}));
  ASSERT_TRUE(lax.ok());
  EXPECT_EQ(exit_of([&] {
              if (const int failed = confine(*lax)) return failed;
              if (const int failed = confine_by_default()) return failed;
              if (errno_of(syscall(SYS_getppid)) != 77) return 1;
              return errno_of(unshare(CLONE_NEWUSER)) == EPERM ? 0 : 2;
            }),
            0);
}

}  // namespace
}  // namespace gabion::kernel::seccomp
