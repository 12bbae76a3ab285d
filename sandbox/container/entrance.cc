#include "container/entrance.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include "base/clock.h"
#include "base/text.h"

namespace gabion::container {

// Why it failed. Each field is read once: between two looks at one it may change.
struct Entrance::Reason {
  std::atomic<uint32_t> given;
  std::atomic<int> code;  // of gabion::Code
  std::atomic<int> sys_errno;
  std::atomic<size_t> size;
  char text[2048];

  [[noreturn]] void fail(const Error& error) {
    code = static_cast<int>(error.code);
    sys_errno = error.sys_errno;
    const size_t length = std::min(error.context.size(), sizeof(text));
    std::memcpy(text, error.context.data(), length);
    size = length;
    given = 1;
    ::_exit(1);
  }

  [[nodiscard]] Error error() const {
    constexpr int kMostErrno = 4095;  // MAX_ERRNO of the kernel
    const int of = code;
    const int number = sys_errno;
    std::string context(text, std::min(size.load(), sizeof(text)));
    // One line, whoever wrote it: it goes to terminals and logs.
    std::replace_if(
        context.begin(), context.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    const bool known = of >= static_cast<int>(Code::kInternal) && of <= static_cast<int>(Code::kSystem);
    return Error{known ? static_cast<Code>(of) : Code::kInternal,
                 number >= 0 && number <= kMostErrno ? number : 0, std::move(context)};
  }
};

// What the runtime, the go-between and the process share.
struct Entrance::Page {
  kernel::RobustWord runtime;  // the runtime's until it commits
  // Neighbours, and the process's.
  kernel::RobustWord process;       // until it is ready
  kernel::RobustWord program;       // until it executes its own
  std::atomic<pid_t> pid;           // for the process: the runtime's word
  std::atomic<uint32_t> executing;  // the process's last word
  Reason reason;                    // the process's
};

// What the process does not share.
struct Entrance::Birth {
  pid_t pid;      // of the process: written by the kernel before it runs
  Reason reason;  // the go-between's
};

namespace {

template <typename T>
Result<T*> share() {
  void* memory = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return sys_error("memory shared with the process");
  return static_cast<T*>(memory);
}

// A number says nothing about whose process it is; a descriptor that waitid(2) takes, that it is the caller's
// own and unreaped (else ECHILD).
Result<Child> adopt(pid_t pid) {
  Child child{pid, Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))), Channel()};
  if (!child.pidfd.valid()) return sys_error("pidfd_open");
  siginfo_t ended{};
  if (::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &ended, WEXITED | WNOHANG | WNOWAIT) != 0) {
    return sys_error("the process is not a child of the runtime's");
  }
  return child;
}

}  // namespace

Result<std::unique_ptr<Entrance>> Entrance::open() {
  auto entrance = std::unique_ptr<Entrance>(new Entrance());
  entrance->page_ = TRY(share<Page>());
  entrance->birth_ = TRY(share<Birth>());
  Page& page = *entrance->page_;
  page.process.value = page.program.value = kernel::kUnborn;
  TRY(entrance->held_.hold(&page.runtime, 1));
  return entrance;
}

Entrance::~Entrance() {
  if (page_ != nullptr) (void)::munmap(page_, sizeof(Page));
  if (birth_ != nullptr) (void)::munmap(birth_, sizeof(Birth));
}

Error Entrance::failure() const {
  if (birth_->reason.given != 0) return birth_->reason.error();
  if (page_->reason.given == 0) {
    return make_error(Code::kInternal, "the process ended before it could execute its program");
  }
  Error error = page_->reason.error();
  // What policy refuses was said, and written down, before there was a process.
  if (error.code == Code::kRefused) error.code = Code::kInternal;
  return error;
}

Error Entrance::late() const {
  return make_error(Code::kWrongState, concat({"the process did not come to its program within ",
                                               std::to_string(patience_ms_ / 1000),
                                               " seconds: the container has stopped it, or is frozen"}));
}

void Entrance::process(const Steps& steps) {
  guard_child();
  Reason& reason = page_->reason;
  kernel::RobustHolder held;
  if (Status done = held.hold(&page_->process, 2); !done.ok()) reason.fail(done.error());
  if (Status done = steps.inside(); !done.ok()) reason.fail(done.error());
  kernel::release(page_->process);
  // A runtime that died before guard_child() is seen here: it let go of the word before its children were
  // told.
  if (kernel::wait_while_held(page_->runtime, -1) != kernel::Hold::kReleased) ::_exit(1);
  outlive_parent();
  page_->executing = 1;
  reason.fail(steps.execute(page_->pid));
}

void Entrance::go_between(const Steps& steps) {
  guard_child();
  Reason& reason = birth_->reason;
  Result<std::vector<int>> keep = steps.outside();
  if (!keep.ok()) reason.fail(keep.error());
  if (Status done = close_all_but(steps.preserve_fds, std::move(keep).value()); !done.ok())
    reason.fail(done.error());
  if (::madvise(birth_, sizeof(Birth), MADV_DONTFORK) != 0) reason.fail(sys_error("madvise"));
  // CLONE_PARENT: the runtime can wait for the process, and it never is an orphan. CLONE_PARENT_SETTID: a
  // go-between that is killed here has told who it is all the same.
  const Result<pid_t> made =
      clone_process({.flags = CLONE_PARENT | CLONE_PARENT_SETTID, .parent_tid = &birth_->pid});
  if (!made.ok()) reason.fail(made.error());
  if (*made == 0) process(steps);
  ::_exit(0);
}

Result<Child> Entrance::enter(const Steps& steps, int into_cgroup) {
  patience_ms_ = steps.patience_ms;
  const int64_t deadline = monotonic_ms() + patience_ms_;
  int pidfd = -1;
  const pid_t middle = TRY(clone_process({.into_cgroup = into_cgroup, .pidfd = &pidfd}));
  if (middle == 0) go_between(steps);
  const Child between{middle, Fd(pidfd), Channel()};
  const bool in_time = wait_end(between, patience_ms_);
  put_down(between);
  if (birth_->pid == 0) return in_time ? failure() : late();
  Child child = TRY(adopt(birth_->pid));
  auto abandon = [&](Error error) {
    put_down(child);
    return error;
  };
  page_->pid = child.pid;
  // The kernel reports the end of a process from its hold() on; before it, only the descriptor does.
  constexpr int kLookMs = 20;
  while (in_time) {
    const kernel::Hold hold = kernel::wait_while_held(page_->process, kLookMs);
    if (hold == kernel::Hold::kReleased) return child;
    if (hold == kernel::Hold::kGone || wait_end(child, 0)) return abandon(failure());
    if (patience_ms_ >= 0 && monotonic_ms() > deadline) break;
  }
  return abandon(late());
}

Status Entrance::commit() {
  kernel::release(page_->runtime);
  if (kernel::wait_while_held(page_->program, patience_ms_) == kernel::Hold::kHeld) return late();
  if (page_->reason.given != 0 || page_->executing == 0) return failure();
  return ok_status();
}

}  // namespace gabion::container
