// One audit event as data, and its JSON line. docs/audit.md documents every field.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "policy/decision.h"

namespace gabion::audit {

struct Actor {  // who called the runtime
  uint32_t uid = 0;
  uint32_t login_uid = 0;  // 4294967295: unset
  pid_t pid = 0;
  std::string exe;
  std::vector<std::pair<pid_t, std::string>> parents;  // nearest first, at most 8
};
Actor current_actor();  // this process; reads /proc

struct Record {
  std::string event;    // "container.create", "exec.start", "policy.deny", ...
  std::string outcome;  // "allow", "refuse", "ok", "error"
  std::string reason;
  std::string container;  // id
  std::string bundle;
  std::string config_sha256;
  std::string policy;         // name of the policy, e.g. "restricted"
  std::string policy_sha256;
  std::string detail;         // one short text: signal, resources, ...
  std::vector<std::string> argv;
  std::vector<policy::Decision> decisions;
};

// The line's object, time and actor included; no newline. Field order is stable.
json::Value write_record(const Record& record, const Actor& actor, uint64_t seq);

}  // namespace gabion::audit
