// --format of the commands that have two: one for people, which is the default, and JSON.
#pragma once

#include <string_view>

#include "base/result.h"
#include "shim/cli/flags.h"

namespace gabion::cli {

// Whether it is "json". "" and `plain` ("table", "text") are the other; anything else is Code::kInvalid.
Result<bool> wants_json(const Arguments& arguments, std::string_view plain = "table");

}  // namespace gabion::cli
