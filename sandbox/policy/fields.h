// Reads the keys of a policy file. Only the reader includes this.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "policy/policy.h"

namespace gabion::policy {

// Sets the fields of `policy` from an object's members; "name" and "extends" are the reader's and
// are skipped. `where` begins every error.
Status read_fields(const json::Value& object, std::string_view where, Policy& policy);

}  // namespace gabion::policy
