#include "container/monitor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/path.h"
#include "base/text.h"
#include "container/lifecycle.h"
#include "container/process.h"
#include "container/spawn.h"
#include "container/state_socket.h"
#include "kernel/notify.h"

namespace gabion::container {
namespace {

using kernel::seccomp::Listener;
using kernel::seccomp::Notification;

constexpr const char* kSocket = "monitor.sock";
constexpr int kEndTimeoutMs = 2'000;
// A caller that goes on beyond its budget waits so long for each error: what it costs the node, which this
// process runs on the account of, stays below a fiftieth of a processor.
constexpr timespec kThrottle{.tv_sec = 0, .tv_nsec = 1'000'000};
// Each process that was entered into the container costs a descriptor for as long as it lives. So many are
// kept for the streams, the log and what an answer opens, and for processes about to hand over.
constexpr size_t kOwnDescriptors = 16;
constexpr size_t kConnections = 8;

void throttle() { (void)::nanosleep(&kThrottle, nullptr); }

// How many filters may be listened to.
size_t room_for_listeners() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
  return static_cast<size_t>(std::max<rlim_t>(limit.rlim_cur, kOwnDescriptors + kConnections + 1)) -
         kOwnDescriptors - kConnections;
}

class Monitor {
 public:
  Monitor(Host host, const State& state, Judge judge, WatcherEnds& ends, int init_pidfd)
      : host_(std::move(host)),
        state_(state),
        init_(init_pidfd),
        listening_(ends.listening.get()),
        judge_(std::move(judge)) {
    connections_.push_back(std::move(ends.connection));
  }

  int run() {
    // What cannot be written is not done: the container's process finds nobody to hand its filter to.
    if (!announce_monitor(host_, state_, ::getpid()).ok()) return 1;
    while (init_ >= 0 || !listeners_.empty()) {
      if (!turn().ok()) return 1;
    }
    write_summary(host_, state_, judge_.summary());
    return 0;
  }

 private:
  // Waits for whatever comes next, and serves it.
  Status turn() {
    // Who connects while many are about to hand over waits in the socket's queue.
    const int listening = connections_.size() < kConnections ? listening_ : -1;
    std::vector<pollfd> polls{{.fd = init_, .events = POLLIN, .revents = 0},
                              {.fd = listening, .events = POLLIN, .revents = 0}};
    for (const Fd& connection : connections_) polls.push_back({connection.get(), POLLIN, 0});
    for (const Listener& listener : listeners_) polls.push_back({listener.fd(), POLLIN, 0});
    const bool untold = judge_.has_untold();
    const int wait = untold ? static_cast<int>(std::max<int64_t>(0, next_summary_ms_ - monotonic_ms())) : -1;
    if (::poll(polls.data(), polls.size(), wait) < 0 && errno != EINTR) {
      if (errno != ENOMEM) return sys_error("poll");
      throttle();
    }
    if (untold && monotonic_ms() >= next_summary_ms_) write_summary(host_, state_, judge_.summary());

    // From the last to the first: what is served may remove itself.
    const size_t first_connection = 2;
    const size_t first_listener = first_connection + connections_.size();
    for (size_t i = listeners_.size(); i-- > 0;) serve(i, polls[first_listener + i].revents);
    for (size_t i = connections_.size(); i-- > 0;) {
      if (polls[first_connection + i].revents != 0) adopt(i);
    }
    if (polls[1].revents != 0) {
      Fd peer(::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC));
      if (peer.valid()) {
        connections_.push_back(std::move(peer));
      } else {
        throttle();  // whoever waits is still there
      }
    }
    if (polls[0].revents != 0) init_ = -1;  // ended; others may still have a filter
    return ok_status();
  }

  // Whoever sends anything but a listener, or ends, is forgotten.
  void adopt(size_t index) {
    const Fd connection = std::move(connections_[index]);
    connections_.erase(connections_.begin() + static_cast<std::ptrdiff_t>(index));
    Result<Listener> listener = take_listener(connection.get(), listeners_.size() < room_);
    if (listener.ok()) listeners_.push_back(std::move(listener).value());
  }

  void serve(size_t index, short events) {
    if ((events & POLLIN) != 0) {
      const Result<std::optional<Notification>> call = listeners_[index].receive();
      if (call.ok() && call->has_value()) answer(listeners_[index], **call);
      if (!call.ok()) throttle();
    } else if (Listener::has_ended(events)) {
      listeners_.erase(listeners_.begin() + static_cast<std::ptrdiff_t>(index));
    } else if (events != 0) {
      throttle();
    }
  }

  void answer(Listener& listener, const Notification& call) {
    const bool untold = judge_.has_untold();
    Verdict verdict = judge_.judge(listener, call, monotonic_ns());
    if (verdict.told) {
      write_violation(host_, state_, verdict.answer, *std::move(verdict.told));
    } else {
      if (!untold) next_summary_ms_ = monotonic_ms() + kSummaryMs;
      throttle();
    }
    if (verdict.answer == policy::Answer::kKill && end_violator(host_, state_.id).ok()) return;
    (void)listener.deny(call.id, verdict.error);
    if (verdict.answer == policy::Answer::kFreeze) (void)freeze_violator(host_, state_.id);
  }

  Host host_;
  const State& state_;
  int init_;  // pidfd; -1: it has ended
  int listening_;
  std::vector<Fd> connections_;  // a descriptor is to come
  std::vector<Listener> listeners_;
  size_t room_ = room_for_listeners();
  Judge judge_;
  int64_t next_summary_ms_ = 0;
};

// Nothing of the caller's stays open or counts: an engine waits for the end of its pipes, a lock lasts as
// long as any copy of its descriptor.
Status leave_caller(const Host& host, std::vector<int> keep) {
  TRY(host.audit->reopen());
  keep.push_back(host.audit->descriptor());
  const Fd null = TRY(open_path("/dev/null", O_RDWR));
  for (int fd = 0; fd < 3; ++fd) {
    if (::dup2(null.get(), fd) < 0) return sys_error("dup2");
  }
  TRY(close_all_but(0, std::move(keep)));
  // Its own, and not what the caller found enough for itself.
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
  }
  (void)::prctl(PR_SET_NAME, "gabion-monitor");
  (void)::setsid();
  if (::chdir("/") != 0) return sys_error("chdir /");
  sigset_t none;
  (void)::sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
  return ok_status();
}

}  // namespace

Result<MonitorEnds> monitor_ends(const std::string& state_directory) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return sys_error("socketpair");
  MonitorEnds made;
  made.container = Fd(ends[0]);
  made.watcher.connection = Fd(ends[1]);
  made.watcher.listening = TRY(listen_in(state_directory, kSocket, 64));
  return made;
}

Status announce_monitor(const Host& host, const State& state, pid_t pid) {
  audit::Record record = audit_record(host, "monitor.start", state);
  record.detail = concat({"pid ", std::to_string(pid)});
  return append_audit(host, record);
}

Result<MonitorProcess> start_monitor(const Host& host, const State& state, WatcherEnds ends, int init_pidfd) {
  Judge judge = TRY(Judge::of(state.controls.seccomp_profile, state.controls.violations));
  const pid_t pid = ::fork();
  if (pid < 0) return sys_error("fork");
  if (pid == 0) {
    if (!leave_caller(host, {ends.connection.get(), ends.listening.get(), init_pidfd}).ok()) ::_exit(1);
    Host own = host;
    own.debug = nullptr;  // its file is closed
    own.warn = nullptr;
    ::_exit(Monitor(std::move(own), state, std::move(judge), ends, init_pidfd).run());
  }
  const Result<uint64_t> started = process_start_time(pid);
  if (started.ok()) return MonitorProcess{pid, *started};
  // A pid without its start time would be anybody's once it is given out again.
  if (::waitpid(pid, nullptr, WNOHANG) == 0) {
    (void)::kill(pid, SIGKILL);  // our own unreaped child
    (void)::waitpid(pid, nullptr, 0);
  }
  return Error(started.error()).wrap("the container's monitor has ended");
}

Result<Fd> connect_monitor(const std::string& state_directory) {
  Result<Fd> socket = connect_in(state_directory, kSocket);
  if (socket.ok()) return socket;
  return Error(socket.error())
      .wrap(
          "violations: the container's monitor has ended, and without it nothing more may run in the "
          "container; create it again");
}

void end_monitor(const MonitorProcess& monitor) {
  if (monitor.pid == 0 || monitor.start_time == 0) return;  // Process::open() takes 0 for "any process"
  const Result<Process> process = Process::open(monitor.pid, monitor.start_time);
  if (process.ok()) {
    const Result<bool> ended = process->wait_exit(kEndTimeoutMs);
    if (!ended.ok() || !*ended) {
      (void)process->signal(SIGKILL);
      (void)process->wait_exit(kEndTimeoutMs);
    }
  }
  (void)::waitpid(monitor.pid, nullptr, WNOHANG);  // a child where the runtime stayed with its container
}

}  // namespace gabion::container
