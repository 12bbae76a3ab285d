// What narrows a container once it runs: seccomp, memfds that do not execute, Landlock.
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "kernel/seccomp.h"
#include "node/checks.h"
#include "node/trial.h"

namespace gabion::node {
namespace {

namespace seccomp = kernel::seccomp;

constexpr unsigned kMemfdExec = 0x10;  // MFD_EXEC, Linux 6.3
constexpr const char* kSeccompFix = "boot a kernel with CONFIG_SECCOMP_FILTER";

Result<seccomp::Program> filter_of_getppid(uint32_t action) {
  seccomp::Filter filter;
  filter.default_action = SECCOMP_RET_ALLOW;
  filter.bad_arch_action = SECCOMP_RET_KILL_PROCESS;
  filter.rules.push_back({.names = {"getppid"}, .action = action, .conditions = {}});
  return seccomp::compile(filter);
}

// The policy's own filter and one whose effect can be seen, stacked as a container has them.
Status try_seccomp(const std::string& profile) {
  return in_child([&]() -> Status {
    const seccomp::Program visible = TRY(filter_of_getppid(SECCOMP_RET_ERRNO | EDOM));
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return sys_error("prctl(PR_SET_NO_NEW_PRIVS)");
    (void)TRY(seccomp::load(visible, 0));
    const seccomp::Program* own = profile.empty() ? nullptr : seccomp::builtin_profile(profile);
    if (own != nullptr) (void)TRY_AT(seccomp::load(*own, 0), profile);
    errno = 0;
    if (::syscall(SYS_getppid) == -1 && errno == EDOM) return ok_status();
    return make_error(Code::kInternal, "a filter was loaded and does not hold");
  });
}

Status try_notify() {
  return in_child([]() -> Status {
    const seccomp::Program asks = TRY(filter_of_getppid(SECCOMP_RET_USER_NOTIF));
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return sys_error("prctl(PR_SET_NO_NEW_PRIVS)");
    const Fd listener(TRY(seccomp::load(asks, SECCOMP_FILTER_FLAG_NEW_LISTENER)));
    seccomp_notif_sizes sizes{};
    if (::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) return sys_error("seccomp notify");
    return ok_status();
  });
}

// The sysctl belongs to the pid namespace of its writer: only the first process of a new one may write.
Status try_memfd_noexec() {
  return in_pid_namespace([]() -> Status {
    if (::getpid() != 1) return make_error(Code::kInternal, "not in a pid namespace of its own");
    TRY(write_existing("/proc/sys/vm/memfd_noexec", "2"));
    const Fd executable(::memfd_create("gabion-check", MFD_CLOEXEC | kMemfdExec));
    if (!executable.valid() && errno == EACCES) return ok_status();
    return make_error(Code::kInternal, "vm.memfd_noexec is set and does not hold");
  });
}

void check_landlock(Findings& findings) {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi > 0) {
    findings.push_back(passed("landlock", concat({"ABI ", std::to_string(abi)})));
    return;
  }
  findings.push_back(
      warned("landlock", errno == EOPNOTSUPP ? "built in, and not enabled at boot" : "not in this kernel",
             "boot with landlock first in lsm= (the kernel's command line); programs inside can then confine "
             "themselves"));
}

}  // namespace

void check_filters(const Subject& subject, Findings& findings) {
  const std::string& profile = subject.policy.seccomp_profile;
  const Status filter = try_seccomp(profile);
  findings.push_back(filter.ok() ? passed("seccomp", profile.empty()
                                                         ? "filters load and hold"
                                                         : concat({"filters load and hold, the policy's \"",
                                                                   profile, "\" too"}))
                                 : failed("seccomp", filter.error().message(), kSeccompFix));
  const Status notify = try_notify();
  findings.push_back(notify.ok()
                         ? passed("seccomp-notify", "a filter can have a listener")
                         : warned("seccomp-notify", notify.error().message(),
                                  "boot a kernel with CONFIG_SECCOMP_FILTER; until then a configuration "
                                  "with a listener is refused"));
  const Status memfd = try_memfd_noexec();
  const bool absent = !memfd.ok() && memfd.error().sys_errno == ENOENT;
  findings.push_back(
      memfd.ok() ? passed("memfd-noexec", "execution from memfd can be forbidden")
                 : warned("memfd-noexec",
                          absent ? "the kernel has no vm.memfd_noexec: containers can execute what they "
                                   "write to a memfd"
                                 : memfd.error().message(),
                          "boot Linux 6.3 or newer"));
  check_landlock(findings);
}

}  // namespace gabion::node
