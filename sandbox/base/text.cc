#include "base/text.h"

#include <ctime>
#include <limits>

namespace gabion {

std::string concat(std::initializer_list<std::string_view> parts) {
  size_t size = 0;
  for (std::string_view part : parts) size += part.size();
  std::string text;
  text.reserve(size);
  for (std::string_view part : parts) text += part;
  return text;
}

std::vector<char*> c_strings(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  list.reserve(texts.size() + 1);
  for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  size_t start = 0;
  while (true) {
    const size_t end = text.find(separator, start);
    parts.push_back(text.substr(start, end - start));
    if (end == std::string_view::npos) return parts;
    start = end + 1;
  }
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::optional<uint64_t> parse_unsigned(std::string_view text, uint64_t max) {
  if (text.empty() || text.size() > 20) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    if (__builtin_mul_overflow(value, uint64_t{10}, &value)) return std::nullopt;
    if (__builtin_add_overflow(value, static_cast<uint64_t>(c - '0'), &value)) return std::nullopt;
  }
  if (value > max) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_signed(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  const std::optional<uint64_t> magnitude = parse_unsigned(text, negative ? kMax + 1 : kMax);
  if (!magnitude) return std::nullopt;
  return negative ? static_cast<int64_t>(0 - *magnitude) : static_cast<int64_t>(*magnitude);
}

std::optional<int64_t> parse_bytes(std::string_view text) {
  int shift = 0;
  if (!text.empty() && (text.back() == 'b' || text.back() == 'B')) text.remove_suffix(1);
  if (!text.empty()) {
    switch (text.back()) {
      case 'k':
      case 'K':
        shift = 10;
        break;
      case 'm':
      case 'M':
        shift = 20;
        break;
      case 'g':
      case 'G':
        shift = 30;
        break;
      case 't':
      case 'T':
        shift = 40;
        break;
      default:
        break;
    }
    if (shift != 0) text.remove_suffix(1);
  }
  const std::optional<int64_t> value = parse_signed(text);
  if (!value) return std::nullopt;
  int64_t bytes = 0;
  if (__builtin_mul_overflow(*value, int64_t{1} << shift, &bytes)) return std::nullopt;
  return bytes;
}

bool glob_match(std::string_view pattern, std::string_view text) {
  // Where to go on after a mismatch: behind the last "*", which may take one more character unless it
  // is a slash, or else behind the last "**", which may take any. Going back to an earlier star of the
  // same kind never helps: the later one could have taken the same characters.
  struct Retry {
    size_t pattern = std::string_view::npos;
    size_t text = 0;
  };
  Retry star;
  Retry double_star;
  size_t p = 0;
  size_t t = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      if (p + 1 < pattern.size() && pattern[p + 1] == '*') {
        p += 2;
        double_star = {p, t};
        star = {};
      } else {
        star = {++p, t};
      }
    } else if (p < pattern.size() && (pattern[p] == text[t] || (pattern[p] == '?' && text[t] != '/'))) {
      ++p;
      ++t;
    } else if (star.pattern != std::string_view::npos && text[star.text] != '/') {
      p = star.pattern;
      t = ++star.text;
    } else if (double_star.pattern != std::string_view::npos) {
      p = double_star.pattern;
      t = ++double_star.text;
      star = {};
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

namespace {

void put_digits(std::string& text, int64_t value, int width) {
  char digits[20];
  for (int i = width - 1; i >= 0; --i) {
    digits[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  text.append(digits, static_cast<size_t>(width));
}

}  // namespace

std::string rfc3339_utc(int64_t seconds, int64_t nanoseconds) {
  // Civil date from days (proleptic Gregorian); gmtime_r would read TZ data for nothing.
  int64_t days = seconds / 86400;
  int64_t rest = seconds % 86400;
  if (rest < 0) {
    rest += 86400;
    --days;
  }
  const int64_t z = days + 719468;
  const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const int64_t day_of_era = z - era * 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  const int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);

  std::string text;
  text.reserve(32);
  put_digits(text, year, 4);
  text += '-';
  put_digits(text, month, 2);
  text += '-';
  put_digits(text, day, 2);
  text += 'T';
  put_digits(text, rest / 3600, 2);
  text += ':';
  put_digits(text, rest / 60 % 60, 2);
  text += ':';
  put_digits(text, rest % 60, 2);
  text += '.';
  put_digits(text, nanoseconds, 9);
  text += 'Z';
  return text;
}

std::string now_rfc3339() {
  timespec now{};
  (void)::clock_gettime(CLOCK_REALTIME, &now);  // cannot fail for this clock
  return rfc3339_utc(now.tv_sec, now.tv_nsec);
}

}  // namespace gabion
