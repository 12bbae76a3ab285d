#include "container/spawn.h"

#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

namespace gabion::container {

// A process of the container must not trace this one or open its files, from the moment it can see it
// (CVE-2016-9962). Entering the user namespace alone does not do it: until the change of ids after it, a
// container with CAP_SYS_PTRACE has the capability for this process too. execve(2) ends it.
void guard_child() {
  (void)::prctl(PR_SET_DUMPABLE, 0);
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
}
void outlive_parent() { (void)::prctl(PR_SET_PDEATHSIG, 0); }

Result<pid_t> clone_process(const CloneOptions& options) {
  clone_args args{};
  args.flags = options.flags;
  // With CLONE_PARENT the kernel takes the exit signal from the caller and refuses one here.
  args.exit_signal = (options.flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
  if (options.into_cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(options.into_cgroup);
  }
  if (options.pidfd != nullptr) {
    args.flags |= CLONE_PIDFD;
    args.pidfd = reinterpret_cast<uint64_t>(options.pidfd);
  }
  args.parent_tid = reinterpret_cast<uint64_t>(options.parent_tid);
  const long pid = ::syscall(SYS_clone3, &args, sizeof(args));
  if (pid < 0) return sys_error("clone3 (new namespaces)");
  return static_cast<pid_t>(pid);
}

bool wait_end(const Child& child, int timeout_ms) {
  const int64_t deadline = monotonic_ms() + timeout_ms;
  pollfd item{.fd = child.pidfd.get(), .events = POLLIN, .revents = 0};
  int left = timeout_ms;
  while (::poll(&item, 1, left) <= 0) {
    if (timeout_ms < 0) continue;
    left = static_cast<int>(std::max<int64_t>(deadline - monotonic_ms(), 0));
    if (left == 0) return false;
  }
  return true;
}

void put_down(const Child& child) {
  constexpr int kEndTimeoutMs = 10'000;
  (void)::syscall(SYS_pidfd_send_signal, child.pidfd.get(), SIGKILL, nullptr, 0);
  if (!wait_end(child, kEndTimeoutMs)) return;
  siginfo_t ended{};
  (void)::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &ended, WEXITED | WNOHANG);
}

Status close_all_but(int preserve_fds, std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  auto first = static_cast<unsigned>(3 + preserve_fds);
  for (int fd : keep) {
    const auto number = static_cast<unsigned>(fd);
    if (fd < 0 || number < first) continue;
    if (number > first && ::close_range(first, number - 1, 0) != 0) return sys_error("close_range");
    first = number + 1;
  }
  if (::close_range(first, ~0U, 0) != 0) return sys_error("close_range");
  return ok_status();
}

namespace {

[[noreturn]] void run_body(const std::function<int(Channel&)>& body, Channel& channel) {
  guard_child();
  // A parent that died before the line above is seen as a closed channel at the first message.
  ::_exit(body(channel));
}

Status enter_outer_namespaces(const NamespacePlan& namespaces) {
  if (namespaces.join_pid.valid() && ::setns(namespaces.join_pid.get(), CLONE_NEWPID) != 0) {
    return sys_error("join the pid namespace");
  }
  if (namespaces.own_time) {
    if (::unshare(CLONE_NEWTIME) != 0) return sys_error("new time namespace");
    // Offsets can be written only while no process is in the namespace (time_namespaces(7)).
    if (!namespaces.time_offsets.empty()) {
      TRY_AT(write_existing("/proc/self/timens_offsets", namespaces.time_offsets), "linux.timeOffsets");
    }
  }
  return ok_status();
}

// From here on the process is the root of the container's user namespace, and what it makes is the
// container's. The change of ids makes it undumpable: nobody inside can trace or inspect it.
Status enter_user_namespace(const NamespacePlan& namespaces) {
  if (::setns(namespaces.user.get(), CLONE_NEWUSER) != 0) return sys_error("enter the user namespace");
  if (::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0) {
    return sys_error("become root in the user namespace (linux.uidMappings and gidMappings must map id 0)");
  }
  return ok_status();
}

// Through a go-between that first does `enter`, which takes effect only for its children; its error is
// reported as the child's.
Result<Child> spawn_in(const std::function<Status()>& enter, const std::function<int(Channel&)>& body,
                       uint64_t clone_flags, int into_cgroup = -1) {
  auto ends = TRY(Channel::pair());
  const pid_t middle = TRY(clone_process({}));
  if (middle == 0) {
    ends.first.close();
    guard_child();
    Status entered = enter();
    if (!entered.ok()) {
      (void)ends.second.send_error(entered.error());
      ::_exit(1);
    }
    // CLONE_PARENT: the new process is the runtime's child (and, when the runtime has gone, its
    // subreaper's), never an orphan of this one.
    Result<pid_t> made = clone_process({.flags = clone_flags | CLONE_PARENT, .into_cgroup = into_cgroup});
    if (!made.ok()) {
      (void)ends.second.send_error(made.error());
      ::_exit(1);
    }
    if (*made == 0) {
      // Wait for the parent to have read the pid: two writers share this end until then.
      guard_child();
      if (!ends.second.expect(MessageKind::kContinue).ok()) ::_exit(1);
      run_body(body, ends.second);
    }
    (void)ends.second.send(MessageKind::kPid, *made);
    ::_exit(0);
  }
  ends.second.close();
  const Result<Message> first = ends.first.expect(MessageKind::kPid);
  while (::waitpid(middle, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!first.ok()) return Error(first.error());
  const pid_t pid = first->value;
  const long pidfd = ::syscall(SYS_pidfd_open, pid, 0);
  if (pidfd < 0) return sys_error("pidfd_open");
  TRY(ends.first.send(MessageKind::kContinue));
  return Child{pid, Fd(static_cast<int>(pidfd)), std::move(ends.first)};
}

}  // namespace

Result<Child> spawn(const NamespacePlan& namespaces, const std::function<Status()>& outside,
                    const std::function<int(Channel&)>& body) {
  if (namespaces.owner == NamespacePlan::Owner::kContainer) {
    return spawn_in(
        [&]() -> Status {
          TRY(outside());
          TRY(enter_outer_namespaces(namespaces));
          return enter_user_namespace(namespaces);
        },
        body, namespaces.create);
  }
  if (namespaces.join_pid.valid() || namespaces.own_time) {
    return spawn_in([&] { return enter_outer_namespaces(namespaces); }, body, namespaces.create,
                    namespaces.into_cgroup.get());
  }
  auto ends = TRY(Channel::pair());
  int pidfd = -1;
  const pid_t pid = TRY(clone_process(
      {.flags = namespaces.create, .into_cgroup = namespaces.into_cgroup.get(), .pidfd = &pidfd}));
  if (pid == 0) {
    ends.first.close();
    run_body(body, ends.second);
  }
  return Child{pid, Fd(pidfd), std::move(ends.first)};
}

}  // namespace gabion::container
