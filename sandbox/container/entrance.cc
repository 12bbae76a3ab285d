#include "container/entrance.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "container/foreground.h"

namespace gabion::container {

// What comes from the process is the word of one that the container may have taken over: no more than an
// answer about itself.
struct Entrance::Page {
  kernel::RobustWord runtime;  // the runtime's until it commits
  // Neighbours, and the process's.
  kernel::RobustWord process;  // until it is ready
  kernel::RobustWord program;  // until it executes its own
  pid_t pid;                   // written by the kernel before the process runs
  bool executing;              // its last word
  bool failed;
  int code;  // of gabion::Code
  int sys_errno;
  size_t size;
  char text[2048];
};

Result<std::unique_ptr<Entrance>> Entrance::open() {
  void* memory = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return sys_error("memory shared with the process");
  auto entrance = std::unique_ptr<Entrance>(new Entrance(static_cast<Page*>(memory)));
  Page& page = *entrance->page_;
  page.process.value = page.program.value = kernel::kUnborn;
  TRY(entrance->held_.hold(&page.runtime, 1));
  return entrance;
}

Entrance::~Entrance() { (void)::munmap(page_, sizeof(Page)); }

void Entrance::fail(const Error& error) {
  page_->code = static_cast<int>(error.code);
  page_->sys_errno = error.sys_errno;
  page_->size = std::min(error.context.size(), sizeof(page_->text));
  std::memcpy(page_->text, error.context.data(), page_->size);
  page_->failed = true;
  ::_exit(1);
}

Error Entrance::failure() const {
  if (!page_->failed) {
    return make_error(Code::kInternal, "the process ended before it could execute its program");
  }
  const int code = page_->code;
  const bool known = code >= static_cast<int>(Code::kInternal) && code <= static_cast<int>(Code::kSystem);
  const size_t size = page_->size;
  return Error{known ? static_cast<Code>(code) : Code::kInternal, page_->sys_errno,
               std::string(page_->text, std::min(size, sizeof(page_->text)))};
}

void Entrance::process(const Steps& steps) {
  guard_child();
  kernel::RobustHolder held;
  if (Status done = held.hold(&page_->process, 2); !done.ok()) fail(done.error());
  if (Status done = steps.inside(); !done.ok()) fail(done.error());
  kernel::release(page_->process);
  // A runtime that died before guard_child() is seen here: it let go of the word before its children were
  // told.
  if (kernel::wait_while_held(page_->runtime, -1) != kernel::Hold::kReleased) ::_exit(1);
  outlive_parent();
  page_->executing = true;
  fail(steps.execute(page_->pid));
}

void Entrance::go_between(const Steps& steps) {
  guard_child();
  Result<std::vector<int>> keep = steps.outside();
  if (!keep.ok()) fail(keep.error());
  if (Status done = close_all_but(steps.preserve_fds, std::move(keep).value()); !done.ok())
    fail(done.error());
  // CLONE_PARENT: the runtime can wait for the process, and it never is an orphan.
  const Result<pid_t> made =
      clone_process({.flags = CLONE_PARENT | CLONE_PARENT_SETTID, .parent_tid = &page_->pid});
  if (!made.ok()) fail(made.error());
  if (*made == 0) process(steps);
  ::_exit(0);
}

Result<Child> Entrance::enter(const Steps& steps, int into_cgroup) {
  const pid_t middle = TRY(clone_process({.into_cgroup = into_cgroup}));
  if (middle == 0) go_between(steps);
  (void)TRY(reap(middle));
  if (page_->pid == 0) return failure();
  const pid_t pid = page_->pid;
  auto abandon = [&](Error error) {
    (void)::kill(pid, SIGKILL);  // our own unreaped child
    (void)reap(pid);
    return error;
  };
  const long pidfd = ::syscall(SYS_pidfd_open, pid, 0);
  if (pidfd < 0) return abandon(sys_error("pidfd_open"));
  Child child{pid, Fd(static_cast<int>(pidfd)), Channel()};
  // The kernel reports the end of a process from its hold() on; before it, only waitid(2) does.
  constexpr int kLookMs = 20;
  while (true) {
    const kernel::Hold hold = kernel::wait_while_held(page_->process, kLookMs);
    if (hold == kernel::Hold::kReleased) return child;
    siginfo_t ended{};
    if (hold == kernel::Hold::kGone ||
        (::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         ended.si_pid == pid)) {
      return abandon(failure());
    }
  }
}

Status Entrance::commit() {
  kernel::release(page_->runtime);
  (void)kernel::wait_while_held(page_->program, -1);
  if (page_->failed || !page_->executing) return failure();
  return ok_status();
}

}  // namespace gabion::container
