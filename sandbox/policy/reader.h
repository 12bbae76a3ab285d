// A policy file → Policy. JSON with comments, strict: an unknown key, a key twice, a wrong type or a
// value out of range is an error that names it. docs/policy.md is the reference of the keys.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/policy.h"
#include "policy/trusted_file.h"

namespace gabion::policy {

inline constexpr const char* kDefaultPolicyPath = "/etc/gabion/policy.json";
inline constexpr std::string_view kDefaultTier = "restricted";

// Reads `path`: a regular file (no symbolic link) of root's, writable by root alone, at most 1 MiB.
// Errors are Code::kInvalid, or kNotFound / kSystem when it cannot be opened.
Result<Policy> load_policy(const std::string& path, Parents parents = Parents::kAny);
// `path`, whose directories must be root's alone to write too, or the default tier when there is no such
// file. Any other failure is an error: a policy that cannot be read is never replaced by another.
Result<Policy> default_policy(const std::string& path = kDefaultPolicyPath);
// development, restricted, maximum or passthrough; Code::kInvalid lists them.
Result<Policy> builtin_policy(std::string_view tier);
// `name` is what errors call the text.
Result<Policy> parse_policy(std::string_view text, std::string_view name);

}  // namespace gabion::policy
