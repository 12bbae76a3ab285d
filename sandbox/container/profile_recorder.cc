#include "container/profile_recorder.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "container/container.h"
#include "container/spawn.h"
#include "kernel/notify.h"
#include "kernel/seccomp.h"
#include "kernel/seccomp_numbers.h"
#include "kernel/socket.h"

namespace gabion::container {

namespace {

using kernel::seccomp::Listener;
using kernel::seccomp::Notification;

// What the recorder says at its end, in one write(2): smaller than PIPE_BUF, so it comes whole or not.
struct Report {
  int error_number = 0;
  bool listened = false;
  CallSet calls{};
};

// The runtime's calls on the way to the program are served like all others, but are not the container's.
class Notes {
 public:
  void take(const Notification& call, const Listener& listener) {
    if (call.arch != kernel::seccomp::audit_arch(kernel::seccomp::Abi::kNative)) return;
    if (!first_.valid()) {
      if (call.nr != SYS_execve && call.nr != SYS_execveat) return;
      first_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, call.pid, 0)));
      if (!listener.still_valid(call.id)) first_.reset();
    }
    if (call.nr >= 0 && static_cast<size_t>(call.nr) < kCallNumbers) {
      calls_[static_cast<size_t>(call.nr)] = true;
    }
  }
  [[nodiscard]] const CallSet& calls() const { return calls_; }
  // Without a listener every call of the container fails with ENOSYS, _exit(2) too: what is left of it when
  // the runtime was killed, or this process cannot go on, would spin. Its first process takes it along.
  void end_container() const {
    if (first_.valid()) (void)::syscall(SYS_pidfd_send_signal, first_.get(), SIGKILL, nullptr, 0);
  }

 private:
  Fd first_;  // pidfd of the container's first process, once it executes its program
  CallSet calls_{};
};

// Until no task has the filter (POLLHUP), or the other end of `socket` is closed: by the runtime, when the
// container has ended and a process that outlived it must not keep it waiting, or by the runtime's death.
Status serve(Listener& listener, int socket, Notes& notes) {
  while (true) {
    pollfd items[2] = {{.fd = listener.fd(), .events = POLLIN, .revents = 0},
                       {.fd = socket, .events = POLLIN, .revents = 0}};
    if (::poll(items, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return sys_error("poll");
    }
    if ((items[0].revents & POLLIN) != 0) {
      const std::optional<Notification> call = TRY(listener.receive());
      if (!call) continue;
      notes.take(*call, listener);
      TRY(listener.let_continue(call->id));
      continue;
    }
    if (Listener::has_ended(items[0].revents) || items[1].revents != 0) return ok_status();
  }
}

Report listen(int socket) {
  Report report;
  const auto failed = [&](const Error& error) {
    report.error_number = error.sys_errno == 0 ? EPROTO : error.sys_errno;
    return report;
  };
  // The end of file instead of a descriptor: the container never came to its filters.
  Result<Fd> descriptor = kernel::receive_descriptor(socket);
  if (!descriptor.ok()) return report;
  report.listened = true;
  Result<Listener> listener = Listener::adopt(std::move(descriptor).value());
  if (!listener.ok()) return failed(listener.error());
  Notes notes;
  const Status served = serve(listener.value(), socket, notes);
  notes.end_container();
  report.calls = notes.calls();
  return served.ok() ? report : failed(served.error());
}

// The recorder's whole life. Nothing of the runtime's stays open in it, and no signal of the terminal ends
// it: the container is what Ctrl-C is meant for, and its last calls still need their answers.
[[noreturn]] void live(int socket, int report) {
  sigset_t all;
  (void)::sigfillset(&all);
  (void)::sigprocmask(SIG_SETMASK, &all, nullptr);
  if (!close_all_but(0, {socket, report}).ok()) ::_exit(1);
  const Report told = listen(socket);
  ::_exit(::write(report, &told, sizeof(told)) == static_cast<ssize_t>(sizeof(told)) ? 0 : 1);
}

}  // namespace

Result<Recorder> Recorder::start() {
  static_assert(sizeof(Report) <= 4096, "PIPE_BUF");
  int sockets[2];
  // Packets: what comes with the descriptor is dropped whole, however long.
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) return sys_error("recorder");
  Recorder recorder;
  recorder.socket_ = Fd(sockets[0]);
  const Fd its_socket(sockets[1]);
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return sys_error("recorder");
  recorder.report_ = Fd(pipe[0]);
  const Fd its_report(pipe[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return sys_error("recorder: fork");
  if (pid == 0) live(its_socket.get(), its_report.get());
  recorder.pid_ = pid;
  return recorder;
}

Recorder::Recorder(Recorder&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      socket_(std::move(other.socket_)),
      report_(std::move(other.report_)) {}

Recorder::~Recorder() {
  if (pid_ == 0) return;
  (void)::kill(pid_, SIGKILL);  // our own unreaped child: the pid cannot be another's
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<CallSet> Recorder::finish() {
  socket_.reset();
  Report report;
  ssize_t size = 0;
  while ((size = ::read(report_.get(), &report, sizeof(report))) < 0 && errno == EINTR) {
  }
  if (size != static_cast<ssize_t>(sizeof(report))) {
    return make_error(Code::kInternal, "recording: the recorder was killed; what it saw is lost");
  }
  if (report.error_number != 0) return sys_error("recording", report.error_number);
  if (!report.listened) {
    return make_error(Code::kInternal, "recording: the container ended before it had its filters");
  }
  return report.calls;
}

namespace {

bool passes_to_tracer(const oci::Seccomp& filter) {
  constexpr std::string_view kTrace = "SCMP_ACT_TRACE";
  return filter.default_action == kTrace ||
         std::any_of(filter.syscalls.begin(), filter.syscalls.end(),
                     [&](const oci::SeccompSyscall& rule) { return rule.action == kTrace; });
}

// Every call of the native architecture but one: the descriptor of the listener is sent with it, and until it
// has arrived nobody answers. The next call waits for the recorder, which is there by then. Calls of other
// ABIs pass: their numbers mean other calls, and it is for the other filters to end them.
Result<kernel::seccomp::Program> recording_program() {
  kernel::seccomp::Filter filter;
  filter.default_action = SECCOMP_RET_USER_NOTIF;
  filter.bad_arch_action = SECCOMP_RET_ALLOW;
  filter.rules = {{{"sendmsg"}, SECCOMP_RET_ALLOW, {}}};
  return kernel::seccomp::compile(filter);
}

}  // namespace

Status add_recording(ProcessPlan& process, const std::optional<oci::Seccomp>& spec_filter, int socket) {
  using To = ProcessPlan::Filter::Listener;
  const auto listens = [&](To listener) {
    return std::any_of(process.filters.begin(), process.filters.end(),
                       [&](const ProcessPlan::Filter& filter) { return filter.listener == listener; });
  };
  if (listens(To::kMonitor)) {
    // And where it could be had, a call that the monitor denies would be let go on here.
    return make_error(
        Code::kInvalid,
        "recording: the policy's violations need the one listener that the kernel gives a process "
        "(seccomp(2), EBUSY); record under a policy with \"violations\": {\"*\": \"off\"}, which "
        "denies the same calls");
  }
  if (listens(To::kAgent)) {
    return make_error(
        Code::kInvalid,
        "recording: another filter of this container has a listener already, and the kernel gives "
        "a process only one (seccomp(2), EBUSY); record without SCMP_ACT_NOTIFY and listenerPath "
        "in linux.seccomp");
  }
  // SECCOMP_RET_TRACE is weaker than SECCOMP_RET_USER_NOTIF: the call would be made instead of traced.
  if (spec_filter && passes_to_tracer(*spec_filter)) {
    return make_error(Code::kInvalid,
                      "recording: SCMP_ACT_TRACE in linux.seccomp would let its calls through while they are "
                      "recorded; record with SCMP_ACT_ERRNO instead");
  }
  process.listener = Fd(::fcntl(socket, F_DUPFD_CLOEXEC, 3));
  if (!process.listener.valid()) return sys_error("recording");
  ProcessPlan::Filter filter;
  filter.program = TRY_AT(recording_program(), "recording");
  filter.flags = kernel::seccomp::kWaitKillableRecv;
  filter.listener = To::kRecorder;
  process.filters.insert(process.filters.begin(), std::move(filter));
  return ok_status();
}

Result<Recording> record(const Host& host, CreateOptions options) {
  options.detach = false;
  Recorder recorder = TRY(Recorder::start());
  options.recorder = recorder.socket();
  Recording recording;
  recording.exit_code = TRY(run(host, options, false));
  const CallSet calls = TRY(recorder.finish());
  recording.document = profile_document(calls);
  // Anybody may call any number, and the kernel answers ENOSYS to nearly all of these.
  for (const size_t number : calls_without_name(calls)) {
    if (!host.warn) break;
    host.warn(concat({"system call ", std::to_string(number),
                      " was made and has no name in this build of gabion: it is not in the profile"}));
  }
  return recording;
}

}  // namespace gabion::container
