// How a process comes into a running container: made so that the container never finds anything of the host's
// in it (CVE-2016-9962). The container sees it from clone3(2) on, in its /proc; with CAP_SYS_PTRACE and no
// user namespace between, it can then take the descriptors, the root directory and the rights that are still
// there. So a go-between, which the container does not see, does whatever needs them and keeps nothing. The
// process then talks with the runtime through a page of memory, because a channel would be a descriptor, too:
// one that leads to the runtime (SO_PEERPIDFD).
//
// A container that can write the process's memory can write that page, too. So what it holds is the word of a
// stranger about the process: it ends or puts off this exec, and tells why it failed. Which process that is
// says the go-between alone, on a page of its own that the process does not inherit. And a process that says
// nothing, because the container has stopped it, is not waited for longer than `patience_ms`.
//
//     runtime                        go-between
//       │ clone3, into the cgroup        │
//       │ ───────────────────────────▶   │  outside(): joins, becomes; closes everything
//       │                                │  clone3                  process
//       │                       ends     │ ────────────────────────▶   │  inside()
//       │ ◀───────────────────────────── ┘                             │
//       │                                           releases `process` │
//       │ ◀──────────────────────────────────────────────────────────  │
//       │  writes the pid file                                         │
//       │  releases `runtime`                                          │
//       │ ──────────────────────────────────────────────────────────▶  │  no longer dies with its parent
//       │                                                              │  execute()
//       │                                   the kernel ends its hold   │
//       │ ◀──────────────────────────────────────────────────────────  ┘  of `program`
//
// The go-between counts as one of the container's processes while the other is made: pids.max and
// RLIMIT_NPROC.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "container/spawn.h"
#include "kernel/robust_word.h"

namespace gabion::container {

class Entrance {
 public:
  struct Steps {
    // Every descriptor is closed after it but those it answers, the standard streams and the preserved ones.
    std::function<Result<std::vector<int>>()> outside;
    int preserve_fds = 0;
    std::function<Status()> inside;
    // Comes back only with an error. The pid is the one the host knows the process by, which it cannot see
    // itself.
    std::function<Error(pid_t)> execute;
    // For each of enter() and commit(); -1: no end.
    int patience_ms = 10'000;
  };

  static Result<std::unique_ptr<Entrance>> open();
  Entrance(const Entrance&) = delete;
  Entrance& operator=(const Entrance&) = delete;
  ~Entrance();

  // Returns when inside() has, with a process that waits for commit() and dies with the caller: an unreaped
  // child of the caller's.
  Result<Child> enter(const Steps& steps, int into_cgroup);
  // Returns when the process has executed its program. After an error it may still be there.
  Status commit();

 private:
  struct Reason;
  struct Page;
  struct Birth;

  Entrance() = default;
  [[noreturn]] void go_between(const Steps& steps);
  [[noreturn]] void process(const Steps& steps);
  [[nodiscard]] Error failure() const;
  [[nodiscard]] Error late() const;

  Page* page_ = nullptr;
  Birth* birth_ = nullptr;
  int patience_ms_ = -1;
  kernel::RobustHolder held_;
};

}  // namespace gabion::container
