#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <string>

#include "base/file.h"
#include "kernel/seccomp.h"
#include "profiles/seccomp/profile.h"
#include "tests/unit/kernel/bpf_evaluator.h"

namespace gabion::kernel::seccomp::test {
namespace {

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr uint32_t error_of(uint32_t number) { return SECCOMP_RET_ERRNO | number; }

class DefaultProfile : public testing::Test {
 protected:
  // 0 when there is no such profile or the program is broken: no action of a profile is 0.
  static uint32_t answer(long number, uint64_t first = 0, uint64_t second = 0, uint64_t third = 0,
                         uint32_t arch = AUDIT_ARCH_X86_64) {
    const Program* program = builtin_profile("default");
    if (program == nullptr) return 0;
    seccomp_data call{};
    call.nr = static_cast<int>(number);
    call.arch = arch;
    call.args[0] = first;
    call.args[1] = second;
    call.args[2] = third;
    return evaluate(*program, call).value_or(0);
  }
};

TEST_F(DefaultProfile, IsWhatItsFileSays) {
  const Result<std::string> text = read_file(GABION_SOURCE_DIR "/profiles/seccomp/default.json", 1 << 20);
  ASSERT_TRUE(text.ok());
  const Result<profiles::Profile> profile = profiles::read_profile(*text, "default.json");
  ASSERT_TRUE(profile.ok()) << profile.error().message();
  const Result<Program> program = profiles::compile_profile(*profile);
  ASSERT_TRUE(program.ok());
  const Program* builtin = builtin_profile("default");
  ASSERT_NE(builtin, nullptr);
  ASSERT_EQ(program->size(), builtin->size());
  EXPECT_EQ(memcmp(program->data(), builtin->data(), program->size() * sizeof(sock_filter)), 0);
  EXPECT_LT(program->size(), 200U);
  EXPECT_EQ(builtin_profile("no such profile"), nullptr);
}

TEST_F(DefaultProfile, LetsServicesWork) {
  for (const long number :
       {SYS_read, SYS_openat, SYS_execve, SYS_futex, SYS_mmap, SYS_accept4, SYS_epoll_wait, SYS_io_submit,
        SYS_shmget, SYS_chown, SYS_setuid, SYS_fork, SYS_memfd_create, SYS_sendfile, SYS_getrandom, SYS_rseq,
        SYS_statx, SYS_pidfd_open, SYS_seccomp}) {
    EXPECT_EQ(answer(number), kAllow) << number;
  }
}

TEST_F(DefaultProfile, DeniesWhatEscapesAreMadeOf) {
  for (const long number : {SYS_mount,
                            SYS_umount2,
                            SYS_pivot_root,
                            SYS_setns,
                            SYS_bpf,
                            SYS_perf_event_open,
                            SYS_userfaultfd,
                            SYS_keyctl,
                            SYS_add_key,
                            SYS_ptrace,
                            SYS_process_vm_readv,
                            SYS_io_uring_setup,
                            SYS_open_by_handle_at,
                            SYS_fsopen,
                            SYS_move_mount,
                            SYS_open_tree,
                            SYS_mount_setattr,
                            SYS_init_module,
                            SYS_finit_module,
                            SYS_kexec_load,
                            SYS_reboot,
                            SYS_swapon,
                            SYS_syslog,
                            SYS_settimeofday,
                            SYS_fanotify_init,
                            SYS_pidfd_getfd}) {
    EXPECT_EQ(answer(number), error_of(EPERM)) << number;
  }
}

TEST_F(DefaultProfile, MakesNoNamespaces) {
  constexpr uint64_t kThread = 0x3d0f00;  // what pthread_create passes
  EXPECT_EQ(answer(SYS_clone, kThread), kAllow);
  EXPECT_EQ(answer(SYS_clone, SIGCHLD), kAllow);
  for (const uint64_t flag : {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
                              CLONE_NEWPID, CLONE_NEWNET}) {
    EXPECT_EQ(answer(SYS_clone, flag | SIGCHLD), error_of(EPERM));
    EXPECT_EQ(answer(SYS_unshare, flag), error_of(EPERM));
  }
  EXPECT_EQ(answer(SYS_unshare, CLONE_FS | CLONE_FILES), kAllow);
  EXPECT_EQ(answer(SYS_unshare, 0x80), error_of(EPERM));  // CLONE_NEWTIME
  EXPECT_EQ(answer(SYS_clone3), error_of(ENOSYS));
}

TEST_F(DefaultProfile, OpensFourFamiliesOfSockets) {
  EXPECT_EQ(answer(SYS_socket, AF_UNIX, SOCK_STREAM, 0), kAllow);
  EXPECT_EQ(answer(SYS_socket, AF_INET, SOCK_STREAM, 6), kAllow);
  EXPECT_EQ(answer(SYS_socket, AF_INET6, SOCK_DGRAM, 58), kAllow);
  EXPECT_EQ(answer(SYS_socket, AF_INET, SOCK_STREAM, 262), kAllow);  // MPTCP: Go's listeners
  EXPECT_EQ(answer(SYS_socket, AF_NETLINK, SOCK_RAW, 0), kAllow);
  for (int family = 0; family < 64; ++family) {
    if (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK) continue;
    EXPECT_EQ(answer(SYS_socket, static_cast<uint64_t>(family), SOCK_DGRAM, 0), error_of(EAFNOSUPPORT))
        << family;
  }
  for (uint64_t protocol = 1; protocol < 32; ++protocol) {
    EXPECT_EQ(answer(SYS_socket, AF_NETLINK, SOCK_RAW, protocol), error_of(EAFNOSUPPORT)) << protocol;
  }
  for (const uint64_t protocol : {33, 115, 132, 256}) {
    EXPECT_EQ(answer(SYS_socket, AF_INET, SOCK_STREAM, protocol), error_of(EAFNOSUPPORT)) << protocol;
    EXPECT_EQ(answer(SYS_socket, AF_INET, SOCK_STREAM, protocol | 1ULL << 32), error_of(EAFNOSUPPORT));
  }
  // The family is an int: what the kernel ignores must not hide AF_VSOCK, nor refuse AF_UNIX.
  EXPECT_EQ(answer(SYS_socket, AF_VSOCK | 1ULL << 32, SOCK_STREAM, 0), error_of(EAFNOSUPPORT));
  EXPECT_EQ(answer(SYS_socket, AF_UNIX | 7ULL << 32, SOCK_STREAM, 0), kAllow);
  EXPECT_EQ(answer(SYS_socketpair, AF_UNIX), kAllow);
  EXPECT_EQ(answer(SYS_socketpair, AF_TIPC), error_of(EAFNOSUPPORT));
}

TEST_F(DefaultProfile, KeepsTerminalsAndProcessesHonest) {
  EXPECT_EQ(answer(SYS_ioctl, 0, TCGETS), kAllow);
  for (const uint64_t command : {TIOCSTI, TIOCLINUX, TIOCSETD}) {
    EXPECT_EQ(answer(SYS_ioctl, 0, command), error_of(EPERM));
    EXPECT_EQ(answer(SYS_ioctl, 0, command | 1ULL << 32), error_of(EPERM));
  }
  EXPECT_EQ(answer(SYS_prctl, PR_SET_NAME), kAllow);
  EXPECT_EQ(answer(SYS_prctl, PR_SET_MM), error_of(EPERM));
  EXPECT_EQ(answer(SYS_prctl, PR_SET_MM | 1ULL << 40), error_of(EPERM));
  EXPECT_EQ(answer(SYS_prctl, PR_SCHED_CORE), error_of(EPERM));
  for (const uint64_t domain : {0U, 8U, 0x20000U, 0x20008U, 0xffffffffU}) {
    EXPECT_EQ(answer(SYS_personality, domain), kAllow) << domain;
  }
  EXPECT_EQ(answer(SYS_personality, 0x400000), error_of(EPERM));  // READ_IMPLIES_EXEC
  EXPECT_EQ(answer(SYS_personality, 0x40000), error_of(EPERM));   // ADDR_NO_RANDOMIZE
}

TEST_F(DefaultProfile, MakesFifosAndNoDevices) {
  EXPECT_EQ(answer(SYS_mknodat, 0, 0, S_IFIFO | 0600), kAllow);
  EXPECT_EQ(answer(SYS_mknodat, 0, 0, S_IFCHR | 0600), error_of(EPERM));
  EXPECT_EQ(answer(SYS_mknod, 0, S_IFSOCK | 0600), kAllow);
  EXPECT_EQ(answer(SYS_mknod, 0, S_IFBLK | 0600), error_of(EPERM));
  // The kernel takes 16 bits of the mode.
  EXPECT_EQ(answer(SYS_mknod, 0, S_IFBLK | 0600 | 1 << 16), error_of(EPERM));
}

TEST_F(DefaultProfile, KnowsOneArchitectureAndSaysEnosysToTheFuture) {
  EXPECT_EQ(answer(3, 0, 0, 0, AUDIT_ARCH_I386), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(answer(102, 1, 0, 0, AUDIT_ARCH_I386), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(answer(0x40000000), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(answer(400), error_of(ENOSYS));  // a number no kernel has used
  EXPECT_EQ(answer(1000), error_of(ENOSYS));
}

std::string complaint(const std::string& text) {
  const Result<profiles::Profile> profile = profiles::read_profile(text, "test");
  return profile.ok() ? "" : profile.error().context;
}

TEST(Profile, MistakesAreNamed) {
  const std::string head = R"({"errno": "EPERM", "groups": [)";
  EXPECT_NE(complaint(head + R"({"name": "a", "reason": "", "syscalls": ["read"]}]})").find("reason"),
            std::string::npos);
  EXPECT_NE(complaint(head + R"({"name": "a", "reason": "r", "syscalls": ["raed"]}]})").find("raed"),
            std::string::npos);
  EXPECT_NE(
      complaint(head + R"({"name": "a", "reason": "r", "syscalls": ["read", "read"]}]})").find("two groups"),
      std::string::npos);
  EXPECT_NE(complaint(head + R"({"name": "a", "reason": "r", "syscalls": ["read"]}]})").find("in no group"),
            std::string::npos);
  EXPECT_NE(
      complaint(head + R"({"name": "a", "reason": "r", "syscalls": ["read"], "alow": true}]})").find("alow"),
      std::string::npos);
  const std::string open = head + R"({"name": "a", "reason": "r", "syscalls": ["read"], "when": [[)";
  EXPECT_NE(complaint(open + R"({"arg": 6, "equals": "1"}]]}]})"), "");
  EXPECT_NE(complaint(open + R"({"arg": 1, "equals": "0x"}]]}]})"), "");
  EXPECT_NE(complaint(open + R"({"arg": 1, "mask": "1", "equals": "2"}]]}]})").find("mask drops"),
            std::string::npos);
  EXPECT_NE(complaint(open + "]]}]}").find("without a condition"), std::string::npos);
  const std::string beside =
      head + R"({"name": "a", "reason": "r", "syscalls": ["read"], "beside_listener": )";
  EXPECT_NE(complaint(beside + R"({"errno": "EBUSY"}}]})").find("without \"when\""), std::string::npos);
  EXPECT_NE(complaint(beside + R"({"errno": "EBUSY", "then": []}}]})").find("then"), std::string::npos);
  EXPECT_NE(complaint(beside + R"({"when": [[{"arg": 1, "equals": "8"}]]}}]})").find("errno"),
            std::string::npos);
  EXPECT_NE(
      complaint(beside + R"({"errno": "EBUSY", "when": [[{"arg": 1, "equals": "8"}]]}, "watch": "x"}]})")
          .find("not watched"),
      std::string::npos);
  EXPECT_NE(complaint(R"({"errno": "EWHAT", "groups": []})").find("errno"), std::string::npos);
}

}  // namespace
}  // namespace gabion::kernel::seccomp::test
