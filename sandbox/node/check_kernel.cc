// Version, namespaces, pidfds, no_new_privs.
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "kernel/user_namespace.h"
#include "node/checks.h"
#include "node/kernel_version.h"
#include "node/trial.h"

namespace gabion::node {
namespace {

constexpr const char* kNewerKernel = "boot a kernel with this built in (Debian 12's 6.1 and newer have it)";

void check_version(Findings& findings) {
  const std::string release = kernel_release();
  const std::optional<KernelVersion> version = parse_kernel_version(release);
  if (version && *version >= kOldestKernel) {
    findings.push_back(passed("kernel", concat({"Linux ", release})));
  } else {
    findings.push_back(failed("kernel", concat({"Linux ", release, "; gabion needs 6.1"}),
                              "boot Linux 6.1 or newer (Debian 12: apt install linux-image-amd64)"));
  }
}

void check_user_namespace(Subject& subject, Findings& findings) {
  const uint32_t size = subject.policy.ids.size;
  const std::vector<kernel::IdMap> map = {{0, subject.first_id, size}};
  Result<kernel::UserNamespace> made = kernel::create_user_namespace(map, map);
  if (made.ok()) {
    subject.user_namespace = std::move(made->fd);
    findings.push_back(passed("user-namespace", concat({"made, with ", std::to_string(size), " ids from ",
                                                        std::to_string(subject.first_id)})));
    return;
  }
  const bool counted = made.error().sys_errno == ENOSPC;
  findings.push_back(
      failed("user-namespace", made.error().message(),
             counted ? "sysctl -w user.max_user_namespaces=65536, and the same in /etc/sysctl.d"
                     : "boot a kernel with CONFIG_USER_NS and see that nothing forbids user namespaces"));
}

struct NamespaceKind {
  const char* name;  // in /proc/self/ns
  unsigned long flag;
};

constexpr NamespaceKind kKinds[] = {
    {"mnt", CLONE_NEWNS},  {"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET},
    {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP},
};

// Makes the namespace and asks nsfs for its type: exec and pods join namespaces by such descriptors.
Status try_namespace(const NamespaceKind& kind, const char* link) {
  return in_child([&]() -> Status {
    if (::unshare(static_cast<int>(kind.flag)) != 0) return sys_error(concat({kind.name, " namespace"}));
    const Fd fd = TRY(open_path(concat({"/proc/self/ns/", link}), O_RDONLY));
    const int type = ::ioctl(fd.get(), NS_GET_NSTYPE);
    if (type >= 0 && static_cast<unsigned long>(type) == kind.flag) return ok_status();
    return type < 0 ? sys_error(concat({kind.name, " namespace: NS_GET_NSTYPE"}))
                    : make_error(Code::kInternal, concat({kind.name, " namespace: of another type"}));
  });
}

void check_namespaces(Findings& findings) {
  std::vector<std::string> wrong;
  for (const NamespaceKind& kind : kKinds) {
    const Status made = try_namespace(kind, kind.name);
    if (!made.ok()) wrong.push_back(made.error().message());
  }
  findings.push_back(
      wrong.empty()
          ? passed("namespaces", "mnt, pid, net, ipc, uts and cgroup can be made and named by descriptor")
          : failed(
                "namespaces", name_some(wrong, 6),
                "boot a kernel with CONFIG_NAMESPACES and all below it; see sysctl user.max_*_namespaces"));

  // Only a configuration that asks for one needs it. unshare(2) acts on the children to come.
  const Status time = try_namespace({"time", CLONE_NEWTIME}, "time_for_children");
  findings.push_back(time.ok() ? passed("time-namespace", "can be made")
                               : warned("time-namespace", time.error().message(), kNewerKernel));
}

// A child by clone3(2), ended and waited for by its pidfd alone.
Status try_pidfd() {
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  const pid_t parent = ::getpid();
  const long child = ::syscall(SYS_clone3, &arguments, sizeof(arguments));
  if (child < 0) return sys_error("clone3");
  if (child == 0) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    while (true) (void)::pause();
  }
  const Fd held(pidfd);
  Status sent = ok_status();
  if (::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0) != 0) {
    sent = sys_error("pidfd_send_signal");
    (void)::kill(static_cast<pid_t>(child), SIGKILL);  // our own unreaped child
  }
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED) == 0) return sent;
  Error error = sys_error("waitid(P_PIDFD)");
  while (::waitpid(static_cast<pid_t>(child), nullptr, 0) < 0 && errno == EINTR) {
  }
  return sent.ok() ? Status(std::move(error)) : sent;
}

Status try_no_new_privs() {
  return in_child([]() -> Status {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return sys_error("prctl(PR_SET_NO_NEW_PRIVS)");
    if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) return ok_status();
    return make_error(Code::kInternal, "no_new_privs is set and does not show");
  });
}

}  // namespace

void check_kernel(Subject& subject, Findings& findings) {
  check_version(findings);
  check_user_namespace(subject, findings);
  check_namespaces(findings);
  const Status pidfd = in_child(try_pidfd);
  findings.push_back(pidfd.ok() ? passed("pidfd", "clone3, pidfd_send_signal and waitid work together")
                                : failed("pidfd", pidfd.error().message(), kNewerKernel));
  const Status privileges = try_no_new_privs();
  findings.push_back(privileges.ok() ? passed("no-new-privs", "can be set")
                                     : failed("no-new-privs", privileges.error().message(), kNewerKernel));
}

}  // namespace gabion::node
