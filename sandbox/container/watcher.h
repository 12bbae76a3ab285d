// What anybody does who listens to a container's filters (kernel/seccomp_watch.h): a process of its own
// (monitor.h), or a front end that stays with its containers (the shim). It denies every call it hears of,
// has it written to the audit log, and freezes or kills the container where the policy says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "audit/record.h"
#include "base/fd.h"
#include "base/result.h"
#include "container/container.h"
#include "container/state.h"
#include "container/violation.h"
#include "kernel/notify.h"
#include "kernel/seccomp_watch.h"
#include "policy/violations.h"

namespace gabion::container {

// How often calls that were only counted are told.
inline constexpr int64_t kSummaryMs = 10'000;

// Where processes of a container hand over their filters.
struct WatcherEnds {
  Fd connection;  // of the container's first process
  Fd listening;   // monitor.sock in the state directory, for exec
};
// From the runtime to a front end (CreateOptions::watcher, a SOCK_SEQPACKET socket): a message for each, in
// this order.
Status send_ends(int watcher, const WatcherEnds& ends);

// The one message of a connection, answered. Without `room` it is refused; taken before that, because a
// socket that is closed with a message in it tells its peer nothing (ECONNRESET).
Result<kernel::seccomp::Listener> take_listener(int connection, bool room);
// In the process whose filter it is: sends `listener` and waits until somebody listens, 10 s at most.
Status hand_over(int watcher, int listener);

// What follows on a call, besides the error that its caller gets.
struct Verdict {
  int error = 0;  // errno
  policy::Answer answer = policy::Answer::kOff;
  std::optional<audit::Violation> told;  // nullopt: beyond its budget; the caller is to wait for the error
};

class Judge {
 public:
  // Code::kInternal when there is no such profile to listen to.
  static Result<Judge> of(const std::string& seccomp_profile, const policy::Violations& answers);

  // Reads /proc of the caller.
  Verdict judge(const kernel::seccomp::Listener& listener, const kernel::seccomp::Notification& call,
                int64_t now_ns);
  // Whether there are calls that were only counted; what they were, once: "" none.
  [[nodiscard]] bool has_untold() const { return untold_; }
  std::string summary();

 private:
  Judge(const kernel::seccomp::WatchingProfile& watch, const policy::Violations& answers)
      : watch_(&watch), answers_(answers) {}

  const kernel::seccomp::WatchingProfile* watch_;
  policy::Violations answers_;
  ViolationBudget budget_;
  bool untold_ = false;
};

// For a front end, by the container's name.
struct Telling {
  std::vector<std::pair<policy::Answer, audit::Violation>> told;
  std::string summary;
  bool kill = false;
};
// Writes what there is to be told; with `kill`, an error means that there may be a process left to be
// answered.
Status tell_violations(const Host& host, const std::string& id, const Telling& telling);

// The effects. A log that fails notes the gap by itself: the call is denied either way.
void write_violation(const Host& host, const State& state, policy::Answer answer, audit::Violation violation);
void write_summary(const Host& host, const State& state, std::string summary);
// Done: nobody is left to be answered.
Status end_violator(const Host& host, const std::string& id);
// After its call is denied: a call that waits for an answer does not freeze, and would be made again
// afterwards. What cannot be frozen is killed: it must not go on.
Status freeze_violator(const Host& host, const std::string& id);

}  // namespace gabion::container
