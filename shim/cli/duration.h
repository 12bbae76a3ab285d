// Go's durations: "5s", "100ms", "1m30s".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gabion::cli {

// Nanoseconds, > 0; nullopt for anything else. Whole numbers with a unit: ns, us, ms, s, m, h.
std::optional<int64_t> parse_duration(std::string_view text);

}  // namespace gabion::cli
