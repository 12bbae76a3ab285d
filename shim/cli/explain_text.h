// What `explain` shows: every decision, for a person or for a program.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "container/container.h"
#include "policy/policy.h"

namespace gabion::cli {

struct Subject {
  std::string bundle;
  std::string policy;
  std::string policy_sha256;
};

// `colour`: with ANSI sequences; the only ones, whatever the spec holds.
std::string explain_text(const container::Explanation& explanation, const Subject& subject, bool colour);
json::Value explain_document(const container::Explanation& explanation, const Subject& subject);

}  // namespace gabion::cli
