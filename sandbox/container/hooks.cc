#include "container/hooks.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "kernel/attributes.h"

namespace gabion::container {
namespace {

constexpr size_t kCaptureLimit = size_t{64} << 10;
constexpr unsigned kNoexecSeal = 0x0008U;  // MFD_NOEXEC_SEAL, Linux 6.3: the headers may be older

struct Pipe {
  Fd read;
  Fd write;
};

Result<Pipe> make_pipe(int flags) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | flags) != 0) return sys_error("pipe");
  Pipe pipe;
  pipe.read = Fd(ends[0]);
  pipe.write = Fd(ends[1]);
  return pipe;
}

// The state as a file: unlike a pipe it never blocks a writer, and a hook that does not read its
// stdin cannot kill the runtime with SIGPIPE. Sealed: the hooks share it.
Result<Fd> make_stdin(std::string_view text) {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  // vm.memfd_noexec=2 refuses a memfd that does not ask for no-exec; before 6.3 the flag is EINVAL.
  int raw = ::memfd_create("state", kFlags | kNoexecSeal);
  if (raw < 0 && errno == EINVAL) raw = ::memfd_create("state", kFlags);
  if (raw < 0) return sys_error("memfd_create");
  Fd fd(raw);
  TRY(write_all(fd.get(), text));
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return sys_error("seal the state document");
  }
  return fd;
}

// Everything the child needs, built before fork(2): it allocates nothing.
struct Launch {
  const char* path = nullptr;
  int opened = -1;  // execveat(2) on this descriptor; -1: by path
  const char* directory = nullptr;
  std::vector<char*> argv;
  std::vector<char*> env;
  int in = -1;
  int out = -1;
  int err = -1;
  int report = -1;  // close-on-exec: end of file says that execve(2) succeeded
};

struct Failure {  // what the child reports
  int error_number;
  bool in_chdir;
};

[[noreturn]] void fail_child(int report, bool in_chdir) {
  const Failure failure{errno, in_chdir};
  (void)!::write(report, &failure, sizeof(failure));
  ::_exit(127);
}

[[noreturn]] void run_child(const Launch& launch, pid_t parent) {
  (void)::setpgid(0, 0);
  // A hook must not outlive a runtime that was killed. 0: the parent is in an outer pid namespace.
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const pid_t now = ::getppid();
  if (now != parent && now != 0) ::_exit(127);

  // The runtime may have been started with 0, 1 or 2 closed, so that a pipe got such a number and
  // the dup2(2) calls below would overwrite each other.
  const int report = ::fcntl(launch.report, F_DUPFD_CLOEXEC, 3);
  const int in = ::fcntl(launch.in, F_DUPFD_CLOEXEC, 3);
  const int out = ::fcntl(launch.out, F_DUPFD_CLOEXEC, 3);
  const int err = ::fcntl(launch.err, F_DUPFD_CLOEXEC, 3);
  const int opened = launch.opened < 0 ? -1 : ::fcntl(launch.opened, F_DUPFD_CLOEXEC, 3);
  if (report < 0) ::_exit(127);
  if (in < 0 || out < 0 || err < 0 || (launch.opened >= 0 && opened < 0)) fail_child(report, false);
  if (::lseek(in, 0, SEEK_SET) < 0) fail_child(report, false);
  if (::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(err, 2) < 0) fail_child(report, false);
  if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) fail_child(report, false);

  kernel::reset_signals();

  if (::chdir(launch.directory) != 0) fail_child(report, true);
  if (opened >= 0) {
    (void)::syscall(SYS_execveat, opened, "", launch.argv.data(), launch.env.data(), AT_EMPTY_PATH);
    // ENOENT: a script, whose interpreter could not reopen a close-on-exec descriptor.
    if (errno != ENOENT) fail_child(report, false);
  }
  (void)::execve(launch.path, launch.argv.data(), launch.env.data());
  fail_child(report, false);
}

// Takes what is there; keeps the first kCaptureLimit bytes and drops the rest, so that a talkative
// hook neither blocks nor fills memory. False at end of file.
// The bound: a hook that writes without end must not keep us from looking at the clock.
bool drain(int fd, std::string& text) {
  char buffer[4096];
  for (int reads = 0; reads < 16; ++reads) {
    const ssize_t got = ::read(fd, buffer, sizeof(buffer));
    if (got == 0) return false;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    const size_t room = kCaptureLimit - text.size();
    text.append(buffer, std::min(static_cast<size_t>(got), room));
  }
  return true;
}

// One line: an error is one line, and a hook's output must not forge another in a log.
std::string one_line(const std::string& text) {
  std::string line(trim(text));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line;
}

// A hook that has been started. Whatever goes wrong, it is killed with its group and reaped.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    kill_group();
    siginfo_t ignored{};
    (void)wait(ignored);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  // Until it is reaped, the number is still this hook's.
  void kill_group() const {
    (void)::kill(-pid_, SIGKILL);
    (void)::kill(pid_, SIGKILL);
  }
  Status wait(siginfo_t& exit) {
    while (::waitid(P_PID, static_cast<id_t>(pid_), &exit, WEXITED) != 0) {
      if (errno != EINTR) return sys_error("wait for the hook");
    }
    pid_ = 0;
    return ok_status();
  }

 private:
  pid_t pid_;
};

struct Outcome {
  siginfo_t exit{};
  bool timed_out = false;
  std::string out;
  std::string err;
};

// Waits for the hook itself, not for end of file on its pipes: a daemon it left behind holds them.
Result<Outcome> watch(Child& child, int out, int err, int64_t deadline) {
  const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child.pid(), 0)));
  if (!pidfd.valid()) return sys_error("pidfd_open");
  Outcome outcome;
  pollfd items[] = {{pidfd.get(), POLLIN, 0}, {out, POLLIN, 0}, {err, POLLIN, 0}};
  while (true) {
    int wait = -1;
    if (deadline >= 0 && !outcome.timed_out) {
      const int64_t left = deadline - monotonic_ms();
      if (left <= 0) {
        outcome.timed_out = true;
        child.kill_group();
      } else {
        wait = static_cast<int>(std::min<int64_t>(left, 1'000'000'000));
      }
    }
    const int ready = ::poll(items, 3, wait);
    if (ready < 0 && errno != EINTR) return sys_error("poll");
    if (ready <= 0) continue;
    if (items[1].revents != 0 && !drain(out, outcome.out)) items[1].fd = -1;
    if (items[2].revents != 0 && !drain(err, outcome.err)) items[2].fd = -1;
    if ((items[0].revents & POLLIN) != 0) break;
  }
  TRY(child.wait(outcome.exit));
  (void)drain(out, outcome.out);
  (void)drain(err, outcome.err);
  return outcome;
}

// "exit status 3", "signal: killed": Go's words, which runc prints.
std::string describe(const siginfo_t& exit) {
  if (exit.si_code == CLD_EXITED) return concat({"exit status ", std::to_string(exit.si_status)});
  std::string name = ::strsignal(exit.si_status);
  if (!name.empty()) name[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(name[0])));
  return concat({"signal: ", name, exit.si_code == CLD_DUMPED ? " (core dumped)" : ""});
}

Result<Failure> read_failure(int report) {
  Failure failure{0, false};
  while (true) {
    const ssize_t got = ::read(report, &failure, sizeof(failure));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("read");
    return got == 0 ? Failure{0, false} : failure;
  }
}

Status run_hook(const oci::Hook& hook, int opened, int state, const std::string& directory) {
  const int64_t deadline =
      hook.timeout ? monotonic_ms() + std::min<int64_t>(*hook.timeout, INT32_MAX) * 1000 : -1;
  Pipe out = TRY(make_pipe(0));
  Pipe err = TRY(make_pipe(0));
  Pipe report = TRY(make_pipe(0));
  Launch launch;
  launch.path = hook.path.c_str();
  launch.opened = opened;
  launch.directory = directory.c_str();
  const std::vector<std::string> path_alone = {hook.path};
  launch.argv = c_strings(hook.args.empty() ? path_alone : hook.args);
  launch.env = c_strings(hook.env);
  launch.in = state;
  launch.out = out.write.get();
  launch.err = err.write.get();
  launch.report = report.write.get();

  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return sys_error("fork");
  if (pid == 0) run_child(launch, parent);
  Child child(pid);
  (void)::setpgid(pid, pid);  // both sides: whichever comes first, the group exists from here on
  out.write.reset();
  err.write.reset();
  report.write.reset();

  const Failure failure = TRY(read_failure(report.read.get()));
  if (failure.error_number != 0) {
    const std::string what =
        failure.in_chdir ? concat({"chdir ", directory}) : concat({"fork/exec ", hook.path});
    return Error{Code::kSystem, failure.error_number, what};
  }
  // Only our ends: O_NONBLOCK belongs to the open file, and the hook's end is another one.
  (void)::fcntl(out.read.get(), F_SETFL, O_NONBLOCK);
  (void)::fcntl(err.read.get(), F_SETFL, O_NONBLOCK);
  const Outcome outcome = TRY(watch(child, out.read.get(), err.read.get(), deadline));
  if (outcome.timed_out) {
    return make_error(Code::kSystem,
                      concat({"hook ran past specified timeout of ", std::to_string(*hook.timeout), ".0s"}));
  }
  if (outcome.exit.si_code == CLD_EXITED && outcome.exit.si_status == 0) return ok_status();
  return make_error(Code::kSystem, concat({describe(outcome.exit), ", stdout: ", one_line(outcome.out),
                                           ", stderr: ", one_line(outcome.err)}));
}

}  // namespace

Status run_hooks(const std::vector<oci::Hook>& hooks, std::string_view kind, std::string_view state_json,
                 const std::string& working_directory, const std::map<std::string, Fd>* opened) {
  if (hooks.empty()) return ok_status();
  const Fd state = TRY_AT(make_stdin(state_json), "hook state");
  for (size_t i = 0; i < hooks.size(); ++i) {
    int binary = -1;
    if (opened != nullptr) {
      const auto found = opened->find(hooks[i].path);
      if (found != opened->end()) binary = found->second.get();
    }
    TRY_AT(run_hook(hooks[i], binary, state.get(), working_directory),
           concat({"error running ", kind, " hook #", std::to_string(i)}));
  }
  return ok_status();
}

}  // namespace gabion::container
