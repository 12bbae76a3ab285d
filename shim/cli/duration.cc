#include "shim/cli/duration.h"

#include <limits>

#include "base/text.h"

namespace gabion::cli {

namespace {

struct Unit {
  std::string_view name;
  int64_t nanoseconds;
};

constexpr Unit kUnits[] = {
    {"ns", 1},
    {"us", 1'000},
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
};

}  // namespace

std::optional<int64_t> parse_duration(std::string_view text) {
  int64_t total = 0;
  while (!text.empty()) {
    const size_t digits = text.find_first_not_of("0123456789");
    if (digits == std::string_view::npos) return std::nullopt;
    const auto count = parse_unsigned(text.substr(0, digits), std::numeric_limits<int64_t>::max());
    if (!count) return std::nullopt;
    text.remove_prefix(digits);
    const std::string_view name = text.substr(0, text.find_first_of("0123456789"));
    text.remove_prefix(name.size());
    int64_t part = 0;
    for (const Unit& unit : kUnits) {
      if (unit.name != name) continue;
      if (__builtin_mul_overflow(static_cast<int64_t>(*count), unit.nanoseconds, &part)) return std::nullopt;
    }
    if (part == 0) return std::nullopt;
    if (__builtin_add_overflow(total, part, &total)) return std::nullopt;
  }
  return total > 0 ? std::optional(total) : std::nullopt;
}

}  // namespace gabion::cli
