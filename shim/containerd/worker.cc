#include "shim/containerd/worker.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/file.h"
#include "base/path.h"
#include "container/spawn.h"
#include "shim/containerd/copier.h"
#include "shim/containerd/pipe.h"
#include "shim/containerd/proto/message.h"
#include "shim/containerd/ttrpc/frame.h"

namespace gabion::shim {

namespace {

// A result, as it crosses the pipe.
struct Report {
  bool ok = false;
  std::string payload;
  Code code = Code::kInternal;
  int32_t sys_errno = 0;
  std::string context;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.ok), visit(2, self.payload), visit(3, self.code), visit(4, self.sys_errno),
        visit(5, self.context);
  }
};

Result<std::string> result_of(Report report) {
  if (report.ok) return std::move(report.payload);
  return Error{.code = report.code, .sys_errno = report.sys_errno, .context = std::move(report.context)};
}

Report report_of(Result<std::string> result) {
  Report report;
  report.ok = result.ok();
  if (result.ok()) {
    report.payload = std::move(result).value();
  } else {
    report.code = result.error().code;
    report.sys_errno = result.error().sys_errno;
    report.context = result.error().context;
  }
  return report;
}

Status take_inheritance(const Inheritance& inheritance, int report) {
  const Fd null = TRY(open_path("/dev/null", O_RDWR));
  for (int fd = 0; fd < 3; ++fd) {
    if (::dup2(null.get(), fd) < 0) return sys_error("dup2");
  }
  std::vector<int> keep = inheritance.keep;
  keep.push_back(report);
  keep.push_back(inheritance.until);
  keep.push_back(inheritance.streams);
  TRY(container::close_all_but(0, std::move(keep)));
  if (inheritance.streams < 0) return ok_status();
  TRY(take_streams(inheritance.streams));
  ::close(inheritance.streams);
  return ok_status();
}

[[noreturn]] void run(const Inheritance& inheritance, const Workers::Work& work, int report,
                      const rlimit& descriptors) {
  if (descriptors.rlim_max != 0) (void)::setrlimit(RLIMIT_NOFILE, &descriptors);
  sigset_t none;
  (void)::sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
  const Status ready = take_inheritance(inheritance, report);
  Result<std::string> result = ready.ok() ? work() : Result<std::string>(Error(ready.error()));
  // Not by exit: closing may take long (a mount namespace), and who waits for the report waits for that, too.
  if (inheritance.until >= 0) (void)read_fd(inheritance.until, 1, "worker");
  for (const int fd : inheritance.keep) ::close(fd);
  const Result<std::string> frame =
      ttrpc::format_frame(0, ttrpc::FrameType::kData, proto::encode(report_of(std::move(result))));
  if (frame.ok()) (void)write_all(report, *frame);
  // A pipe's reader is woken on its writer's processor, where it would wait until this memory is torn down.
  (void)::sched_yield();
  ::_exit(0);
}

}  // namespace

Workers::Workers(Loop& loop) : loop_(loop) {
  if (::getrlimit(RLIMIT_NOFILE, &inherited_) != 0) return;
  const rlimit raised{.rlim_cur = inherited_.rlim_max, .rlim_max = inherited_.rlim_max};
  (void)::setrlimit(RLIMIT_NOFILE, &raised);
}

Workers::~Workers() {
  if (retry_ != 0) loop_.cancel(retry_);
  for (const auto& [pid, job] : jobs_) loop_.forget(job.report.get());
}

void Workers::start(const Inheritance& inheritance, const Work& work, Done done, size_t most) {
  const Result<pid_t> started =
      jobs_.size() < most
          ? fork_worker(inheritance, work)
          : Result<pid_t>(make_error(Code::kSystem, "too many operations run at once; try again"));
  if (started.ok()) {
    jobs_.at(*started).done = std::move(done);
    return;
  }
  // Not at once: whoever asks has more to do before it is told.
  loop_.after(0, [done = std::move(done), error = started.error()] { done(error); });
}

void Workers::start_own(Work work, Done done, Fd held) {
  queue_.push_back({.work = std::move(work), .done = std::move(done), .held = std::move(held)});
  run_queue();
}

void Workers::run_queue() {
  constexpr int64_t kRetryMs = 100;
  while (!queue_.empty() && retry_ == 0 && own_ < kMostOwn && jobs_.size() < kMaxAtOnce) {
    Own& next = queue_.front();
    Pipe let_go;  // its writing end is closed here after `held` was
    if (next.held.valid()) {
      Result<Pipe> made = make_pipe("worker");
      if (made.ok()) let_go = std::move(made).value();
    }
    const Result<pid_t> started =
        fork_worker({.keep = {next.held.get()}, .until = let_go.reading.get()}, next.work);
    if (!started.ok()) {  // no memory or no process to be had: later
      retry_ = loop_.after(kRetryMs, [this] {
        retry_ = 0;
        run_queue();
      });
      return;
    }
    Job& job = jobs_.at(*started);
    job.done = std::move(next.done);
    job.own = true;
    ++own_;
    queue_.pop_front();
  }
}

Result<pid_t> Workers::fork_worker(const Inheritance& inheritance, const Work& work) {
  Pipe pipe = TRY(make_pipe("worker"));
  if (::fcntl(pipe.reading.get(), F_SETFL, O_NONBLOCK) != 0) return sys_error("fcntl");
  const pid_t pid = ::fork();
  if (pid < 0) return sys_error("fork");
  if (pid == 0) run(inheritance, work, pipe.writing.get(), inherited_);
  const int fd = pipe.reading.get();
  jobs_.emplace(pid, Job{.report = std::move(pipe.reading), .received = {}, .done = {}});
  // Should it fail, the end of the worker is what is heard.
  (void)loop_.watch(fd, EPOLLIN, [this, pid](uint32_t) { receive(pid); });
  return pid;
}

// The frame's end is the report's: the pipe itself may stay open in what the worker has left behind.
void Workers::receive(pid_t pid) {
  Job& job = jobs_.at(pid);
  std::array<char, 4096> chunk{};
  while (true) {
    const ssize_t size = ::read(job.report.get(), chunk.data(), chunk.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return;  // EAGAIN
    if (size == 0) return finish(pid, make_error(Code::kInternal, "the operation ended without a result"));
    job.received.append(chunk.data(), static_cast<size_t>(size));
    size_t consumed = 0;
    const auto frame = ttrpc::parse_frame(job.received, consumed);
    if (frame.ok() && !frame->has_value()) continue;
    if (!frame.ok()) return finish(pid, Error(frame.error()));
    Result<Report> report = proto::decode<Report>((**frame).message);
    return finish(pid, report.ok() ? result_of(std::move(report).value())
                                   : Result<std::string>(std::move(report).error()));
  }
}

void Workers::finish(pid_t pid, Result<std::string> result) {
  const auto found = jobs_.find(pid);
  loop_.forget(found->second.report.get());
  const Done done = std::move(found->second.done);
  if (found->second.own) --own_;
  jobs_.erase(found);
  reported_.insert(pid);
  done(std::move(result));
  run_queue();
}

bool Workers::ended(pid_t pid) {
  if (jobs_.contains(pid)) {
    receive(pid);  // it may have said everything
    if (jobs_.contains(pid)) finish(pid, make_error(Code::kInternal, "the operation was killed"));
  }
  return reported_.erase(pid) != 0;
}

}  // namespace gabion::shim
