// One audit event as data, and its JSON line. docs/audit.md documents every field.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "policy/decision.h"

namespace gabion::audit {

// The longest line the log holds, its newline included. A reader may rely on it.
inline constexpr size_t kMaxLine = size_t{64} << 10;

struct Actor {             // who called the runtime
  uint32_t uid = 0;        // real uid of this process
  uint32_t login_uid = 0;  // 4294967295: unset
  pid_t pid = 0;           // the calling process: our parent
  std::string exe;         // its executable; "" when it is gone or in another pid namespace
  // The caller's own ancestors and their command names, nearest first, at most 8. An engine's daemon
  // loses the login uid (it was never logged in); the chain says through which daemon a request came.
  std::vector<std::pair<pid_t, std::string>> parents;
};
// Reads /proc, some ten files. `caller`: the calling process; 0, our parent.
Actor current_actor(pid_t caller = 0);

// A system call that a container made and that its filter denied.
struct Violation {
  std::string kind;     // the policy's word for it
  std::string syscall;  // its name
  uint32_t number = 0;
  std::array<uint64_t, 6>
      arguments{};  // as in the registers; what pointers point to is the caller's to change
  int error = 0;    // errno the caller got
  // Who called; unknown when the caller ended before it could be looked at.
  std::optional<pid_t> pid;     // of the process, not the thread; on the host
  std::optional<uint32_t> uid;  // effective, on the host
  std::string exe;              // as its mount namespace names it
  uint64_t unreported = 0;      // calls of this number since the last record of one
};

struct Record {
  std::string event;    // "container.create", "exec.start", "policy.deny", ...
  std::string outcome;  // "allow", "refuse", "error"
  std::string reason;
  std::string container;  // id
  std::string bundle;
  std::string config_sha256;
  std::string policy;  // name of the policy, e.g. "restricted"
  std::string policy_sha256;
  std::string detail;  // one short text: signal, resources, ...
  std::vector<std::string> argv;
  std::vector<policy::Decision> decisions;
  std::optional<Violation> violation;
  size_t argv_omitted = 0;       // entries left out of `argv` and `decisions`: format_line cuts
  size_t decisions_omitted = 0;  // them to hold a line within kMaxLine
};

// The line's object, time and actor included; no newline. Field order is stable, and `seq` is the
// last field: what chains lines to each other ("prev", "mac") will follow it.
json::Value write_record(const Record& record, const Actor& actor, uint64_t seq);

// The line itself, newline included: always whole, valid UTF-8 and at most kMaxLine bytes long,
// whatever the record holds. Long texts are cut and lists shortened, with a count of what went.
std::string format_line(const Record& record, const Actor& actor, uint64_t seq);

}  // namespace gabion::audit
