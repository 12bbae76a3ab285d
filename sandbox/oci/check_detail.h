// Shared by the check_*.cc files only.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "oci/check.h"

namespace gabion::oci::detail {

// "linux.devices[3]"
inline std::string at(std::string_view list, size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

// A word of the document for a message: on one line and short.
inline std::string quoted(std::string_view text) { return "\"" + json::escape(text.substr(0, 128)) + "\""; }

inline Error invalid(std::string_view path, std::string_view reason) {
  std::string context(path);
  if (!context.empty()) context += ": ";
  context += reason;
  return make_error(Code::kInvalid, std::move(context));
}

inline Error unsupported(std::string_view path, std::string_view reason) {
  return make_error(Code::kUnsupported, std::string(path) + ": " + std::string(reason));
}

inline bool is_absolute(std::string_view path) { return !path.empty() && path.front() == '/'; }

Status check_linux(const Spec& spec);

}  // namespace gabion::oci::detail
