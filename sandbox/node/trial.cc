#include "node/trial.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"

namespace gabion::node {
namespace {

constexpr int64_t kTimeoutNs = 10'000'000'000;
constexpr size_t kAnswerLimit = 65536;

// What the child sends: this, then the error's text up to the end of the pipe.
struct Answer {
  int ok = 0;
  Code code = Code::kInternal;
  int sys_errno = 0;
};

void die_with(pid_t parent) {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // it died before prctl(2)
}

[[noreturn]] void run_and_exit(int pipe, const std::function<Status()>& body) {
  const Status done = body();
  Answer answer;
  answer.ok = done.ok() ? 1 : 0;
  std::string context;
  if (!done.ok()) {
    answer.code = done.error().code;
    answer.sys_errno = done.error().sys_errno;
    context = done.error().context;
  }
  (void)write_all(pipe, std::string_view(reinterpret_cast<const char*>(&answer), sizeof(answer)));
  (void)write_all(pipe, context);
  ::_exit(0);
}

// All that arrives until the writer is gone; Code::kSystem with ETIMEDOUT when it takes too long.
Result<std::string> receive(int pipe) {
  const int64_t deadline = monotonic_ns() + kTimeoutNs;
  std::string text;
  while (text.size() < kAnswerLimit) {
    const int64_t left = (deadline - monotonic_ns()) / 1'000'000;
    pollfd wanted{.fd = pipe, .events = POLLIN, .revents = 0};
    const int ready = left <= 0 ? 0 : ::poll(&wanted, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return sys_error("poll");
    if (ready == 0) return sys_error("the trial does not answer", ETIMEDOUT);
    char buffer[4096];
    const ssize_t got = ::read(pipe, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("read");
    if (got == 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

Status read_answer(const std::string& text) {
  Answer answer;
  if (text.size() < sizeof(answer)) return make_error(Code::kInternal, "the trial died");
  std::memcpy(&answer, text.data(), sizeof(answer));
  if (answer.ok == 1) return ok_status();
  return Error{answer.code, answer.sys_errno, text.substr(sizeof(answer))};
}

}  // namespace

Status in_child(const std::function<Status()>& body, Ending ending) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sys_error("pipe");
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return sys_error("fork");
  if (child == 0) {
    if (ending == Ending::kWithCaller) die_with(parent);
    sigset_t all;
    (void)::sigfillset(&all);
    if (ending == Ending::kOnItsOwn) (void)::sigprocmask(SIG_BLOCK, &all, nullptr);
    run_and_exit(writer.get(), body);
  }
  writer.reset();
  const Result<std::string> answer = receive(reader.get());
  if (!answer.ok()) (void)::kill(child, SIGKILL);  // our own unreaped child
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!answer.ok()) return answer.error();
  return read_answer(*answer);
}

Status in_pid_namespace(const std::function<Status()>& body) {
  // unshare(2) puts only the children to come into the new namespace, and their getppid() is 0.
  return in_child([&body]() -> Status {
    if (::unshare(CLONE_NEWPID) != 0) return sys_error("make a pid namespace");
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return sys_error("pipe");
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) return sys_error("fork");
    if (child == 0) {
      die_with(0);
      run_and_exit(writer.get(), body);
    }
    writer.reset();
    const std::string answer = TRY(receive(reader.get()));
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return read_answer(answer);
  });
}

Status in_mount_namespace(const std::function<Status()>& body) {
  return in_child([&body]() -> Status {
    if (::unshare(CLONE_NEWNS) != 0) return sys_error("make a mount namespace");
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      return sys_error("make mounts private");
    }
    return body();
  });
}

Result<TemporaryDirectory> TemporaryDirectory::make(const std::string& parent) {
  std::string path = join_path(parent, ".gabion-check-XXXXXX");
  if (::mkdtemp(path.data()) == nullptr) return sys_error(concat({"make a directory in ", parent}));
  return TemporaryDirectory(std::move(path));
}

TemporaryDirectory::~TemporaryDirectory() {
  if (!path_.empty()) (void)::rmdir(path_.c_str());
}

}  // namespace gabion::node
