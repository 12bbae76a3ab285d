// Every operation on a container runs in a child of the shim's, made by fork(2) for it alone. So the shim
// never waits, whatever a hook, a disk or a frozen container does to one of them; what an operation changes
// of its process (mount namespaces, descriptors, memory) ends with it; and the shim itself stays as small as
// it was. The container's processes are the worker's children, and become the shim's when it ends
// (PR_SET_CHILD_SUBREAPER).
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "shim/containerd/loop/loop.h"

namespace gabion::shim {

// What the worker inherits, borrowed. Its standard streams are /dev/null, or taken from `streams`
// (take_streams()); `keep` keep their numbers, and are closed when its work is done, before that is told, but
// not before the end of `until`, a pipe, unless it is -1.
struct Inheritance {
  int streams = -1;
  std::vector<int> keep;
  int until = -1;
};

class Workers {
 public:
  using Work = std::function<Result<std::string>()>;
  using Done = std::function<void(Result<std::string>)>;

  // Raises this process's own limit of descriptors to the hard one: each of a pod's processes costs some. A
  // worker, and so the container, has what the shim was started with.
  explicit Workers(Loop& loop);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers();

  // `work` runs in the child, `done` later in the loop, with what it returned; it is also called when there
  // can be no child (Code::kSystem), or when that one is killed (Code::kInternal).
  void start(const Inheritance& inheritance, const Work& work, Done done, size_t most = kMostOrdinary);
  // The shim's own work, which nobody would ask for again: it waits for its turn. `held` is closed
  // here as soon as it has begun, and by the worker last.
  void start_own(Work work, Done done, Fd held = {});

  // The reaper's word that a child has ended. False: it was none of these.
  bool ended(pid_t pid);
  [[nodiscard]] bool busy() const { return !jobs_.empty() || !queue_.empty(); }

  // What stops a container has room when the others take as long as a container lets them.
  static constexpr size_t kMaxAtOnce = 64;
  static constexpr size_t kMostOrdinary = 40;
  static constexpr size_t kMostOwn = 12;

 private:
  struct Job {
    Fd report;
    std::string received;
    Done done;
    bool own = false;
  };
  struct Own {
    Work work;
    Done done;
    Fd held;
  };
  Result<pid_t> fork_worker(const Inheritance& inheritance, const Work& work);
  void run_queue();
  void receive(pid_t pid);
  void finish(pid_t pid, Result<std::string> result);

  Loop& loop_;
  std::unordered_map<pid_t, Job> jobs_;
  std::unordered_set<pid_t> reported_;  // and not yet ended
  std::deque<Own> queue_;
  size_t own_ = 0;      // of them at work
  uint64_t retry_ = 0;  // timer; 0: none
  rlimit inherited_{};  // RLIMIT_NOFILE
};

}  // namespace gabion::shim
