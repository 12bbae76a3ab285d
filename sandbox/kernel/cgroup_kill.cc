// Cgroup: freezing and signalling all of a group.
//
// A task in v1's freezer does not die of SIGKILL before it is thawed; one frozen by cgroup2 does.
// On a hybrid host v1's freezer is used, because engines read the state there, and cgroup2's
// cgroup.kill, because it is atomic: a fork racing with it is killed too.
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_group.h"
#include "kernel/cgroup_tree.h"
#include "kernel/cgroup_v1.h"

namespace gabion::kernel {
namespace {

constexpr int kFreezeTimeoutMs = 10'000;
constexpr int64_t kFirstPauseNs = 50'000;
constexpr int64_t kLongestPauseNs = 5'000'000;
// A set that stays FREEZING (a task in vfork(2) waits for a frozen child) sometimes settles after a
// thaw, as runc found.
constexpr int kRefreezeEvery = 50;
// How many pidfds are open at once.
constexpr size_t kBatch = 256;

Error no_freezer() {
  return make_error(Code::kUnsupported,
                    "cannot freeze the container: this host mounts neither the freezer cgroup controller nor "
                    "cgroup v2");
}

Status freeze_v1(GroupDirectory& freezer) {
  Backoff backoff(kFreezeTimeoutMs, kFirstPauseNs, kLongestPauseNs);
  for (int attempt = 1;; ++attempt) {
    // Written again each time: it also catches the children forked since the last.
    TRY(freezer.write("freezer.state", "FROZEN"));
    const std::string state = TRY(freezer.read("freezer.state"));
    if (trim(state) == "FROZEN") return ok_status();
    if (attempt % kRefreezeEvery == 0) TRY(freezer.write("freezer.state", "THAWED"));
    if (!backoff.pause()) break;
  }
  // Half frozen is neither paused nor running.
  TRY(freezer.write("freezer.state", "THAWED"));
  return make_error(Code::kSystem, concat({"unable to freeze \"", freezer.path(), "\": still FREEZING after ",
                                           std::to_string(kFreezeTimeoutMs / 1000), " s"}));
}

Status freeze_v2(GroupDirectory& group) {
  TRY(group.write("cgroup.freeze", "1"));
  Backoff backoff(kFreezeTimeoutMs, kFirstPauseNs, kLongestPauseNs);
  do {
    const std::string events = TRY(group.read("cgroup.events"));
    if (flat_value(events, "frozen") == 1) return ok_status();
  } while (backoff.pause());
  TRY(group.write("cgroup.freeze", "0"));
  return make_error(Code::kSystem, concat({"unable to freeze \"", group.path(), "\" within ",
                                           std::to_string(kFreezeTimeoutMs / 1000), " s"}));
}

Status freeze_group(Group& group) {
  if (GroupDirectory* freezer = group.find("freezer")) return freeze_v1(*freezer);
  if (GroupDirectory* unified = group.unified()) return freeze_v2(*unified);
  return no_freezer();
}

Status thaw_group(Group& group) {
  if (GroupDirectory* freezer = group.find("freezer")) return freezer->write("freezer.state", "THAWED");
  if (GroupDirectory* unified = group.unified()) return unified->write("cgroup.freeze", "0");
  return no_freezer();
}

Result<bool> group_frozen(Group& group) {
  if (GroupDirectory* freezer = group.find("freezer")) {
    Result<bool> frozen = v1_frozen(*freezer);
    // Removed by an earlier attempt to delete: what is left elsewhere is not frozen by it.
    if (!frozen.ok() && is_gone(frozen.error().sys_errno)) return false;
    return frozen;
  }
  GroupDirectory* unified = group.unified();
  if (unified == nullptr) return false;
  const uint64_t frozen = TRY(unified->read_number("cgroup.freeze"));
  return frozen != 0;
}

bool has_freezer(Group& group) { return group.find("freezer") != nullptr || group.unified() != nullptr; }

// The processes of every hierarchy: a v1 tool may have moved one out of the group in some of them.
Result<std::vector<pid_t>> all_processes(Group& group) {
  std::vector<pid_t> pids;
  for (GroupDirectory& directory : group.directories()) TRY(collect_processes(directory.path(), pids));
  tidy_processes(pids);
  return pids;
}

// Signals each process that is in the group both before and after its pidfd was opened: a pid that
// was recycled in between belongs to a process that is not in the group, or its pidfd is dead.
Status signal_processes(Group& group, int signal) {
  const std::vector<pid_t> pids = TRY(all_processes(group));
  for (size_t start = 0; start < pids.size(); start += kBatch) {
    const size_t end = std::min(pids.size(), start + kBatch);
    std::vector<std::pair<pid_t, Fd>> handles;
    for (size_t i = start; i < end; ++i) {
      Fd handle(static_cast<int>(::syscall(SYS_pidfd_open, pids[i], 0)));
      if (handle) handles.emplace_back(pids[i], std::move(handle));
      // ESRCH, EINVAL (not a leader any more): gone meanwhile.
    }
    const std::vector<pid_t> still = TRY(all_processes(group));
    for (const auto& [pid, handle] : handles) {
      if (!std::binary_search(still.begin(), still.end(), pid)) continue;
      if (::syscall(SYS_pidfd_send_signal, handle.get(), signal, nullptr, 0) != 0 && errno != ESRCH) {
        return sys_error(concat({"signal process ", std::to_string(pid)}));
      }
    }
  }
  return ok_status();
}

// Thaws the group and what a container froze below it: a task stays frozen, and so alive, while any
// of its v1 ancestors is.
Status thaw_tree(Group& group) {
  if (GroupDirectory* freezer = group.find("freezer")) {
    return write_in_every_group(freezer->path(), "freezer.state", "THAWED");
  }
  return thaw_group(group);
}

// Signals all while nothing can fork or exit, where there is a freezer; SIGKILL thaws them to die.
Status signal_frozen(Group& group, int signal) {
  const bool was_frozen = TRY(group_frozen(group));
  // A group that does not freeze in time is signalled as it runs: the rounds of kill_all catch what
  // forks meanwhile.
  const bool froze = !was_frozen && has_freezer(group) && freeze_group(group).ok();
  Status signalled = signal_processes(group, signal);
  if (signal == SIGKILL && has_freezer(group)) {
    TRY(thaw_tree(group));
  } else if (froze) {
    TRY(thaw_group(group));
  }
  return signalled;
}

// One SIGKILL to all that is there now.
Status kill_once(Group& group) {
  GroupDirectory* unified = group.unified();
  if (unified != nullptr) {
    Status killed = unified->write("cgroup.kill", "1");
    // cgroup2's own freezer lets SIGKILL through.
    if (killed.ok()) return group.find("freezer") == nullptr ? ok_status() : thaw_tree(group);
    // Before Linux 5.14 there is no such file; EOPNOTSUPP: a threaded group.
    const int reason = killed.error().sys_errno;
    if (reason != ENOENT && reason != EOPNOTSUPP) return killed;
  }
  return signal_frozen(group, SIGKILL);
}

}  // namespace

Status Cgroup::freeze() {
  Group group(location_);
  return freeze_group(group);
}

Status Cgroup::thaw() {
  Group group(location_);
  return thaw_group(group);
}

Result<bool> Cgroup::frozen() const {
  Group group(location_);
  return group_frozen(group);
}

Status Cgroup::kill_all(int timeout_ms) {
  Group group(location_);
  Backoff backoff(timeout_ms, kFirstPauseNs, kLongestPauseNs);
  for (int round = 0;; ++round) {
    const std::vector<pid_t> left = TRY(all_processes(group));
    if (left.empty()) return ok_status();
    // The first round is atomic where cgroup.kill exists. What is left after some pauses is dying, or
    // is no member of the cgroup2 group, so it is also signalled by pid.
    Status killed = round == 0 ? kill_once(group) : ok_status();
    if (round > 0 && round % 8 == 0) {
      killed = kill_once(group);
      if (killed.ok()) killed = signal_frozen(group, SIGKILL);
    }
    // Removed under our hands: then nothing is in it.
    if (!killed.ok() && !is_gone(killed.error().sys_errno)) return killed;
    if (!backoff.pause()) {
      return sys_error(concat({"processes of the container did not die in ", std::to_string(timeout_ms),
                               " ms (", std::to_string(left.size()), " left)"}),
                       ETIMEDOUT);
    }
  }
}

Status Cgroup::signal_all(int signal) {
  Group group(location_);
  if (signal == SIGKILL) return kill_once(group);
  return signal_frozen(group, signal);
}

}  // namespace gabion::kernel
