#include "base/json_text.h"

#include <cstdint>
#include <cstring>

namespace gabion::json {

namespace {

// Eight bytes at a time: a real config.json is ASCII throughout.
size_t ascii_prefix(std::string_view text) {
  constexpr uint64_t kHighBits = 0x8080808080808080U;
  size_t offset = 0;
  for (uint64_t word = 0; offset + sizeof word <= text.size(); offset += sizeof word) {
    std::memcpy(&word, text.data() + offset, sizeof word);
    if ((word & kHighBits) != 0) break;
  }
  while (offset < text.size() && static_cast<unsigned char>(text[offset]) < 0x80) ++offset;
  return offset;
}

// The value of four hexadecimal digits; nullopt is left to yajl to report.
std::optional<uint32_t> hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  uint32_t value = 0;
  for (char digit : text.substr(0, 4)) {
    uint32_t nibble = 0;
    if (digit >= '0' && digit <= '9') {
      nibble = static_cast<uint32_t>(digit - '0');
    } else if (digit >= 'a' && digit <= 'f') {
      nibble = static_cast<uint32_t>(digit - 'a' + 10);
    } else if (digit >= 'A' && digit <= 'F') {
      nibble = static_cast<uint32_t>(digit - 'A' + 10);
    } else {
      return std::nullopt;
    }
    value = value << 4 | nibble;
  }
  return value;
}

bool is_high_surrogate(uint32_t unit) { return unit >= 0xd800 && unit <= 0xdbff; }
bool is_low_surrogate(uint32_t unit) { return unit >= 0xdc00 && unit <= 0xdfff; }

// The offset after the comment that starts at `offset`, or `offset` if none does.
size_t skip_comment(std::string_view text, size_t offset) {
  std::string_view rest = text.substr(offset);
  size_t end = std::string_view::npos;
  if (rest.starts_with("//")) {
    end = rest.find('\n');
  } else if (rest.starts_with("/*")) {
    end = rest.find("*/", 2);
    if (end != std::string_view::npos) end += 2;
  } else {
    return offset;
  }
  return end == std::string_view::npos ? text.size() : offset + end;
}

// One escape, text[offset] being its backslash: its length, or the flaw.
struct Escape {
  size_t length = 2;
  const char* flaw = nullptr;
};

Escape read_escape(std::string_view text, size_t offset) {
  if (offset + 1 >= text.size() || text[offset + 1] != 'u') return {};
  auto unit = hex4(text.substr(offset + 2));
  if (!unit) return {};
  if (*unit == 0) return {6, "NUL in a string"};
  if (is_low_surrogate(*unit)) return {6, "unpaired surrogate in a string"};
  if (!is_high_surrogate(*unit)) return {6, nullptr};
  std::string_view rest = text.substr(offset + 6);
  if (rest.starts_with("\\u")) {
    auto second = hex4(rest.substr(2));
    if (second && is_low_surrogate(*second)) return {12, nullptr};
  }
  return {6, "unpaired surrogate in a string"};
}

std::optional<TextFlaw> find_bad_escape(std::string_view text, bool comments_allowed) {
  bool in_string = false;
  for (size_t offset = 0; offset < text.size();) {
    char byte = text[offset];
    if (in_string && byte == '\\') {
      Escape escape = read_escape(text, offset);
      if (escape.flaw != nullptr) return TextFlaw{offset, escape.flaw};
      offset += escape.length;
      continue;
    }
    if (!in_string && comments_allowed && byte == '/') {
      size_t end = skip_comment(text, offset);
      offset = end == offset ? offset + 1 : end;
      continue;
    }
    if (byte == '"') in_string = !in_string;
    ++offset;
  }
  return std::nullopt;
}

}  // namespace

size_t utf8_length(std::string_view text) {
  auto at = [text](size_t index) -> uint32_t {
    return index < text.size() ? static_cast<unsigned char>(text[index]) : 0;
  };
  auto tail = [&at](size_t index) { return (at(index) & 0xc0U) == 0x80U; };
  uint32_t first = at(0);
  if (text.empty()) return 0;
  if (first < 0x80) return 1;
  // The bounds of the second byte exclude overlong forms, surrogates and what is past U+10FFFF
  // (Unicode, table 3-7).
  if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    bool second = tail(1) && (first != 0xe0 || at(1) >= 0xa0) && (first != 0xed || at(1) <= 0x9f);
    return second && tail(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    bool second = tail(1) && (first != 0xf0 || at(1) >= 0x90) && (first != 0xf4 || at(1) <= 0x8f);
    return second && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

std::optional<size_t> find_invalid_utf8(std::string_view text) {
  for (size_t offset = ascii_prefix(text); offset < text.size();
       offset += ascii_prefix(text.substr(offset))) {
    size_t length = utf8_length(text.substr(offset));
    if (length == 0) return offset;
    offset += length;
  }
  return std::nullopt;
}

std::optional<TextFlaw> find_text_flaw(std::string_view text, bool comments_allowed) {
  size_t offset = text.find('\0');
  if (offset != std::string_view::npos) return TextFlaw{offset, "NUL byte"};
  for (char blank : {'\v', '\f'}) {
    offset = text.find(blank);
    if (offset != std::string_view::npos) return TextFlaw{offset, "control character"};
  }
  if (auto invalid = find_invalid_utf8(text)) return TextFlaw{*invalid, "invalid UTF-8"};
  if (text.find('\\') == std::string_view::npos) return std::nullopt;
  return find_bad_escape(text, comments_allowed);
}

}  // namespace gabion::json
