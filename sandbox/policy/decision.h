// One line of the answer to "what did the policy do to my spec, and why?".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace gabion::policy {

enum class Outcome {
  kKept,       // looked at and left, because an exception or the tier allows it
  kTightened,  // changed to something stricter
  kDropped,    // removed
  kWarned,     // left as asked although the rule objects: the rule's mode is "warn"
  kRefused,    // the container must not start
};

struct Decision {
  std::string rule;    // "capabilities.ceiling": stable, documented in docs/policy.md
  std::string path;    // JSON path in config.json: "process.capabilities.bounding"
  std::string before;  // short text; "" when the spec said nothing
  std::string after;   // short text; "" when nothing is left
  Outcome outcome = Outcome::kKept;
  std::string reason;  // for a person: why, and for a refusal what to do instead
  bool operator==(const Decision&) const = default;
};

std::string_view outcome_name(Outcome outcome);  // "kept", "tightened", ...
json::Value write_decision(const Decision& decision);

// The error text of a refusal: every refused decision with its rule and its reason.
std::string refusal_message(const std::vector<Decision>& decisions);

}  // namespace gabion::policy
