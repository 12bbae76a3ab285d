#include "container/monitor.h"

#include <fcntl.h>
#include <linux/seccomp.h>
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
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/path.h"
#include "base/text.h"
#include "container/lifecycle.h"
#include "container/process.h"
#include "container/spawn.h"
#include "container/state_socket.h"
#include "container/violation.h"
#include "kernel/notify.h"
#include "kernel/seccomp_watch.h"
#include "kernel/socket.h"

namespace gabion::container {
namespace {

using kernel::seccomp::Listener;
using kernel::seccomp::Notification;
using kernel::seccomp::WatchedCall;

constexpr const char* kSocket = "monitor.sock";
constexpr std::string_view kHasEnded = " has ended (it cannot write the audit log, or was killed)";
constexpr time_t kAnswerSeconds = 10;
constexpr int kEndTimeoutMs = 2'000;
// How often calls that were only counted are told.
constexpr int64_t kSummaryMs = 10'000;
// A caller that goes on beyond its budget waits so long for each error: what it costs the node, which this
// process runs on the account of, stays below a fiftieth of a processor.
constexpr timespec kThrottle{.tv_sec = 0, .tv_nsec = 1'000'000};
// What a message of a process is answered with.
constexpr char kListens = 'k';
constexpr char kNoRoom = 'f';
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
  Monitor(Host host, const State& state, MonitorEnds& ends, int init_pidfd)
      : host_(std::move(host)),
        state_(state),
        init_(init_pidfd),
        listening_(ends.listening.get()),
        // Raw sockets among them: an answer is looked up here only for a call that a filter has asked for.
        watch_(kernel::seccomp::watching_profile(state.controls.seccomp_profile, false)) {
    connections_.push_back(std::move(ends.monitor));
  }

  int run() {
    if (watch_ == nullptr) return 1;
    audit::Record record = audit_record(host_, "monitor.start", state_);
    record.detail = concat({"pid ", std::to_string(::getpid())});
    // What cannot be written is not done: the container's process finds nobody to hand its filter to.
    if (!append_audit(host_, record).ok()) return 1;
    while (init_ >= 0 || !listeners_.empty()) {
      if (!turn().ok()) return 1;
    }
    summarize();
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
    const int wait = untold_ ? static_cast<int>(std::max<int64_t>(0, next_summary_ms_ - monotonic_ms())) : -1;
    if (::poll(polls.data(), polls.size(), wait) < 0 && errno != EINTR) {
      if (errno != ENOMEM) return sys_error("poll");
      throttle();
    }
    if (untold_ && monotonic_ms() >= next_summary_ms_) summarize();

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

  // The one message of a connection. Whoever sends anything else, or ends, is forgotten. Taken before it is
  // refused: a socket that is closed with a message in it tells its peer nothing (ECONNRESET).
  void adopt(size_t index) {
    const Fd connection = std::move(connections_[index]);
    connections_.erase(connections_.begin() + static_cast<std::ptrdiff_t>(index));
    Result<Fd> sent = kernel::receive_descriptor(connection.get());
    if (!sent.ok() || listeners_.size() >= room_) {
      (void)::send(connection.get(), &kNoRoom, 1, MSG_NOSIGNAL);
      return;
    }
    Result<Listener> listener = Listener::adopt(std::move(sent).value());
    if (!listener.ok()) return;
    listeners_.push_back(std::move(listener).value());
    (void)::send(connection.get(), &kListens, 1, MSG_NOSIGNAL);
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
    const WatchedCall* watched = kernel::seccomp::find_watched(watch_->watch, static_cast<uint32_t>(call.nr));
    const uint32_t action = watched == nullptr ? 0 : kernel::seccomp::evaluate(watched->verdict, call.args);
    const int error = (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO
                          ? static_cast<int>(action & SECCOMP_RET_DATA)
                          : EPERM;
    const policy::Answer asked =
        watched == nullptr ? policy::Answer::kOff : state_.controls.violations.answer(watched->kind);
    // What is off is denied by the filter itself and does not come here; if it did, it would not be free.
    const bool told = asked != policy::Answer::kOff && tell(listener, call, *watched, error, asked);
    if (!told) throttle();
    if (asked == policy::Answer::kKill && end_container()) return;
    // Before freezing: a call that waits for an answer does not freeze, and would be made again afterwards.
    (void)listener.deny(call.id, error);
    if (asked == policy::Answer::kFreeze) freeze();
  }

  // False: beyond its budget.
  bool tell(const Listener& listener, const Notification& call, const WatchedCall& watched, int error,
            policy::Answer asked) {
    if (!budget_.take(watched.number, monotonic_ns())) {
      if (!untold_) next_summary_ms_ = monotonic_ms() + kSummaryMs;
      untold_ = true;
      return false;
    }
    audit::Record record = audit_record(host_, "violation", state_);
    record.outcome = "refuse";
    record.detail = policy::kAnswers[static_cast<size_t>(asked)];
    record.violation = describe(call, listener, watched, error);
    record.violation->unreported = budget_.collect(watched.number);
    append_audit_or_debug(host_, record);  // denied either way; a log that fails notes the gap by itself
    return true;
  }

  void summarize() {
    untold_ = false;
    const std::map<uint32_t, uint64_t> counts = budget_.collect_all();
    if (counts.empty()) return;
    audit::Record record = audit_record(host_, "violation.repeated", state_);
    record.outcome = "refuse";
    for (const auto& [number, count] : counts) {
      record.detail +=
          concat({record.detail.empty() ? "" : ", ", call_name(number), " ", std::to_string(count)});
    }
    append_audit_or_debug(host_, record);
  }

  // True: nobody is left to be answered.
  bool end_container() const { return kill(host_, state_.id, SIGKILL, has_cgroup(state_)).ok(); }

  void freeze() const {
    const Status frozen = pause(host_, state_.id);
    if (frozen.ok()) return;
    const Result<Info> now = info(host_, state_.id);
    if (now.ok() && now->status == ContainerStatus::kPaused) return;  // by the call before this one
    (void)end_container();                                            // what was to stop must not go on
  }

  Host host_;
  const State& state_;
  int init_;  // pidfd; -1: it has ended
  int listening_;
  const kernel::seccomp::WatchingProfile* watch_;
  std::vector<Fd> connections_;  // a descriptor is to come
  std::vector<Listener> listeners_;
  size_t room_ = room_for_listeners();
  ViolationBudget budget_;
  bool untold_ = false;
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
  made.monitor = Fd(ends[1]);
  made.listening = TRY(listen_in(state_directory, kSocket, 64));
  return made;
}

Result<MonitorProcess> start_monitor(const Host& host, const State& state, MonitorEnds ends, int init_pidfd) {
  const pid_t pid = ::fork();
  if (pid < 0) return sys_error("fork");
  if (pid == 0) {
    if (!leave_caller(host, {ends.monitor.get(), ends.listening.get(), init_pidfd}).ok()) ::_exit(1);
    Host own = host;
    own.debug = nullptr;  // its file is closed
    own.warn = nullptr;
    ::_exit(Monitor(std::move(own), state, ends, init_pidfd).run());
  }
  const Result<uint64_t> started = process_start_time(pid);
  if (started.ok()) return MonitorProcess{pid, *started};
  // A pid without its start time would be anybody's once it is given out again.
  if (::waitpid(pid, nullptr, WNOHANG) == 0) {
    (void)::kill(pid, SIGKILL);  // our own unreaped child
    (void)::waitpid(pid, nullptr, 0);
  }
  return Error(started.error()).wrap(concat({"the container's monitor", kHasEnded}));
}

Result<Fd> connect_monitor(const std::string& state_directory) {
  Result<Fd> socket = connect_in(state_directory, kSocket);
  if (socket.ok()) return socket;
  return Error(socket.error())
      .wrap(
          "violations: the container's monitor has ended, and without it nothing more may run in the "
          "container; create it again");
}

Status hand_over(int monitor, int listener) {
  constexpr std::string_view kWhat = "violations: hand the filter to the container's monitor";
  const timeval patience{.tv_sec = kAnswerSeconds, .tv_usec = 0};
  (void)::setsockopt(monitor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  TRY_AT(kernel::send_descriptor(monitor, listener, "listener"), kWhat);
  char answer = 0;
  ssize_t size = 0;
  do {
    size = ::recv(monitor, &answer, 1, 0);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return sys_error(std::string(kWhat));
  if (size == 1 && answer == kListens) return ok_status();
  if (size == 1) {
    return make_error(Code::kSystem,
                      concat({kWhat,
                              ": it has no descriptor left for another process (the hard limit of "
                              "RLIMIT_NOFILE of whoever created the container): end a process that was "
                              "entered by exec, or create the container again under a higher limit"}));
  }
  return make_error(Code::kSystem, concat({kWhat, ": it", kHasEnded}));
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
