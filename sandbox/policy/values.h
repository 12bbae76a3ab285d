// JSON values as the types a policy has, each with an error that names its place. For what reads the policy
// and the profiles it pins.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "policy/policy.h"

namespace gabion::policy {

// "policy.json: memory: expected a string".
Error invalid(std::string_view where, std::string_view what);
// "unknown key "colour"; did you mean "color"?"
Error unknown_word(std::string_view where, std::string_view kind, std::string_view word,
                   std::span<const std::string_view> known);

Status expect(const json::Value& value, json::Value::Kind kind, std::string_view where);
Result<bool> to_bool(const json::Value& value, std::string_view where);
Result<std::string> to_text(const json::Value& value, std::string_view where);
Result<uint64_t> to_unsigned(const json::Value& value, uint64_t min, uint64_t max, std::string_view where);
// 67108864, "64m".
Result<uint64_t> to_bytes(const json::Value& value, std::string_view where);
// The same, or "75%".
Result<MemorySize> to_memory(const json::Value& value, std::string_view where);
Result<std::vector<std::string>> to_texts(const json::Value& value, std::string_view where);
// A first element "..." stands for what `inherited` holds.
Result<std::vector<std::string>> to_list(const json::Value& value, std::string_view where,
                                         const std::vector<std::string>& inherited);
// 64 lower-case hexadecimal digits.
Result<std::string> to_sha256(const json::Value& value, std::string_view where);
// Every element an absolute, clean path.
Status check_paths(const std::vector<std::string>& paths, std::string_view where);

// "where.key"; "where[3]".
std::string at_key(std::string_view where, std::string_view key);
std::string at_index(std::string_view where, size_t index);

}  // namespace gabion::policy
