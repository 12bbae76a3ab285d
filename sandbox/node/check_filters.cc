// What narrows a container once it runs: seccomp, memfds that do not execute, Landlock, memory that is never
// writable and then executable.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "kernel/landlock.h"
#include "kernel/mdwe.h"
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

// A control that this kernel may lack: containers are refused where the policy requires it.
void check_wall(const Finding& found, const Status& able, bool required, std::string_view key,
                Findings& findings) {
  if (able.ok()) {
    findings.push_back(passed(found.check, found.found));
    return;
  }
  const std::string message = able.error().message();
  findings.push_back(
      required
          ? failed(found.check, message, concat({found.fix, ", or set \"", key, "\": false in the policy"}))
          : warned(found.check, message, concat({found.fix, "; until then no policy may ask for it"})));
}

Status try_landlock() {
  return in_child([]() -> Status {
    namespace landlock = kernel::landlock;
    const int abi = TRY(landlock::abi());
    landlock::Ruleset rules = TRY(landlock::Ruleset::make(landlock::kAll, landlock::known_rights(1), abi));
    const Fd ruleset = std::move(rules).take();
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return sys_error("prctl(PR_SET_NO_NEW_PRIVS)");
    TRY(landlock::restrict_self(ruleset.get()));
    if (!open_path("/", O_RDONLY | O_DIRECTORY).ok() && errno == EACCES) return ok_status();
    return make_error(Code::kInternal, "a ruleset that allows nothing was installed and does not hold");
  });
}

Status try_mdwe() {
  return in_child([]() -> Status {
    TRY(kernel::check_mdwe());
    TRY(kernel::refuse_exec_gain());
    const int access = PROT_READ | PROT_WRITE | PROT_EXEC;
    const void* memory = ::mmap(nullptr, 4096, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED && errno == EACCES) return ok_status();
    return make_error(Code::kInternal, "writable and executable memory was refused and is given");
  });
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
  const Result<int> abi = kernel::landlock::abi();
  const std::string version = abi.ok() ? concat({"ABI ", std::to_string(*abi)}) : std::string();
  check_wall(
      warned("landlock", version, "boot a kernel with CONFIG_SECURITY_LANDLOCK, with landlock in lsm="),
      try_landlock(), subject.policy.landlock, "landlock", findings);
  check_wall(
      warned("mdwe", "memory that is writable and executable can be refused", "boot Linux 6.3 or newer"),
      try_mdwe(), subject.policy.memory_deny_write_execute, "memoryDenyWriteExecute", findings);
}

}  // namespace gabion::node
