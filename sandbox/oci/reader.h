// JSON → Spec. Strict about types and ranges, table-driven, silent about unknown keys (the
// specification demands it) but never about a known key whose value it cannot honour.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "oci/spec.h"

namespace gabion::oci {

// Errors are Code::kInvalid and name the JSON path: "process.rlimits[2].soft: expected a number".
Result<Spec> read_spec(const json::Value& document);
Result<Process> read_process(const json::Value& document);      // exec --process FILE
Result<Resources> read_resources(const json::Value& document);  // update --resources FILE

// The parse and the read in one, with the size and depth bounds of `json::ParseOptions`.
Result<Spec> parse_spec(std::string_view text, std::string_view name);

}  // namespace gabion::oci
