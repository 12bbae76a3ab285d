// Signal names as engines and people write them: "KILL", "SIGKILL", "kill", "9", "RTMIN+3".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace gabion::cli {

// 0 (only asks whether the process is there, kill(2)) to 64. Code::kInvalid, in runc's words,
// for anything else.
Result<int> parse_signal(std::string_view text);

}  // namespace gabion::cli
