// What the shim remembers of a container and of its processes. No effects here but those of the parts it
// holds.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "container/container.h"
#include "kernel/cgroup_oom.h"
#include "shim/containerd/node.h"
#include "shim/containerd/proto/common.h"
#include "shim/containerd/stdio.h"
#include "shim/containerd/violations.h"

namespace gabion::shim {

// The order of a process's life. A worker is at it while it is kMaking or kStarting; an end that is seen
// meanwhile is told afterwards.
enum class Phase { kAdded, kMaking, kCreated, kStarting, kRunning, kStopped };

struct Exit {
  uint32_t status = 0;  // exit code; 128 + n for signal n
  proto::Timestamp at;
};

struct Process {
  std::string exec_id;  // "": the container's first
  StdioPaths paths;
  std::string spec;  // of an exec until it is started: the OCI process as JSON
  std::optional<Stdio> stdio;
  Phase phase = Phase::kAdded;
  pid_t pid = 0;
  std::optional<Exit> exit;  // waited for; told once the phase is kStopped
  std::vector<std::function<void(const Exit&)>> waiting;
};

// What the shim does for a container that no client has asked for; one after the other, in their order.
struct OwnWork {
  std::function<Status(const container::Host&)> change;
  std::function<void(bool done)> done;  // may be empty
  Fd held;                              // the worker closes it after `change`, before that is reported
};

struct Container : std::enable_shared_from_this<Container> {
  std::string id;
  std::string bundle;
  Node node;  // by what it was created, exec and update are judged as well
  bool own_pid_namespace = true;
  bool paused = false;
  bool others_killed = false;  // in a shared pid namespace, once the first process had ended
  // The first process's mount namespace, until its end is told. Who drops one last takes its mounts apart,
  // which waits for several grace periods of RCU: a process that ends would, before its parent hears of it,
  // and the shim must not. So a worker gets it last (`held`).
  Fd mounts;
  Process first;
  std::map<std::string, std::unique_ptr<Process>> execs;
  std::optional<kernel::OomNotifier> oom;
  uint64_t ooms_untold = 0;
  uint64_t oom_timer = 0;                        // until the next may be told; 0: at once
  std::shared_ptr<Violations> violations;        // null: the policy does not ask for them
  std::deque<OwnWork> own_work;                  // the first is a worker's
  std::vector<std::function<void()>> deletions;  // wait for them: what is deleted has no name any more

  // Code::kNotFound with containerd's words.
  Result<Process*> process(const std::string& exec_id);
  [[nodiscard]] bool has_living_exec() const;
};

}  // namespace gabion::shim
