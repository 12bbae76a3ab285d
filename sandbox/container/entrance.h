// How a process comes into a running container: made so that the container never finds anything of the host's
// in it (CVE-2016-9962). The container sees it from clone3(2) on, in its /proc; with CAP_SYS_PTRACE and no
// user namespace between, it can then take the descriptors, the root directory and the rights that are still
// there. So a go-between, which the container does not see, does whatever needs them and keeps nothing. The
// process then talks with the runtime through a page of memory, because a channel would be a descriptor, too:
// one that leads to the runtime (SO_PEERPIDFD).
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
  };

  static Result<std::unique_ptr<Entrance>> open();
  Entrance(const Entrance&) = delete;
  Entrance& operator=(const Entrance&) = delete;
  ~Entrance();

  // Returns when inside() has, with a process that waits for commit() and dies with the caller: an unreaped
  // child of the caller's.
  Result<Child> enter(const Steps& steps, int into_cgroup);
  // Returns when the process has executed its program.
  Status commit();

 private:
  struct Page;

  explicit Entrance(Page* page) : page_(page) {}
  [[noreturn]] void go_between(const Steps& steps);
  [[noreturn]] void process(const Steps& steps);
  [[noreturn]] void fail(const Error& error);
  [[nodiscard]] Error failure() const;

  Page* page_;
  kernel::RobustHolder held_;
};

}  // namespace gabion::container
