#include "policy/values.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "base/path.h"
#include "base/text.h"

namespace gabion::policy {
namespace {

// Levenshtein's distance: insertions, deletions and replacements from one word to the other.
size_t distance(std::string_view left, std::string_view right) {
  std::vector<size_t> row(right.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < left.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < right.size(); ++j) {
      const size_t replaced = diagonal + (left[i] == right[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
  constexpr size_t kLongest = 64;  // a hostile key must not cost time
  if (word.size() > kLongest) return {};
  std::string_view best;
  size_t best_distance = word.size() / 3 + 2;
  for (const std::string_view candidate : known) {
    const size_t here = distance(word, candidate);
    if (here < best_distance) {
      best = candidate;
      best_distance = here;
    }
  }
  return best;
}

}  // namespace

Error invalid(std::string_view where, std::string_view what) {
  return make_error(Code::kInvalid, concat({where, where.ends_with(':') ? " " : ": ", what}));
}

Error unknown_word(std::string_view where, std::string_view kind, std::string_view word,
                   std::span<const std::string_view> known) {
  const std::string_view guess = nearest(word, known);
  std::string text = concat({"unknown ", kind, " \"", word.substr(0, 80), "\""});
  if (!guess.empty()) text += concat({"; did you mean \"", guess, "\"?"});
  return invalid(where, text);
}

Status expect(const json::Value& value, json::Value::Kind kind, std::string_view where) {
  if (value.is(kind)) return ok_status();
  return invalid(where,
                 concat({"expected ", json::kind_name(kind), ", not ", json::kind_name(value.kind())}));
}

Result<bool> to_bool(const json::Value& value, std::string_view where) {
  TRY(expect(value, json::Value::Kind::kBool, where));
  return value.as_bool();
}

Result<std::string> to_text(const json::Value& value, std::string_view where) {
  TRY(expect(value, json::Value::Kind::kString, where));
  return value.text();
}

Result<uint64_t> to_unsigned(const json::Value& value, uint64_t min, uint64_t max, std::string_view where) {
  TRY(expect(value, json::Value::Kind::kNumber, where));
  const Result<uint64_t> number = value.as_uint64();
  if (number.ok() && *number >= min && *number <= max) return *number;
  return invalid(where,
                 concat({"expected a whole number from ", std::to_string(min), " to ", std::to_string(max)}));
}

Result<uint64_t> to_bytes(const json::Value& value, std::string_view where) {
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (value.is(json::Value::Kind::kNumber)) return to_unsigned(value, 0, kMax, where);
  if (value.is(json::Value::Kind::kString)) {
    const std::optional<int64_t> bytes = parse_bytes(value.text());
    if (bytes && *bytes >= 0) return static_cast<uint64_t>(*bytes);
  }
  return invalid(where, "expected a number of bytes, such as 67108864 or \"64m\"");
}

Result<MemorySize> to_memory(const json::Value& value, std::string_view where) {
  MemorySize size;
  if (value.is(json::Value::Kind::kString) && value.text().ends_with('%')) {
    const std::string_view digits = std::string_view(value.text()).substr(0, value.text().size() - 1);
    const std::optional<uint64_t> percent = parse_unsigned(digits, 100);
    if (!percent || *percent == 0) return invalid(where, "expected a share from \"1%\" to \"100%\"");
    size.percent = static_cast<uint32_t>(*percent);
    return size;
  }
  size.bytes = TRY(to_bytes(value, where));
  return size;
}

Result<std::vector<std::string>> to_texts(const json::Value& value, std::string_view where) {
  TRY(expect(value, json::Value::Kind::kArray, where));
  std::vector<std::string> texts;
  texts.reserve(value.items().size());
  for (size_t i = 0; i < value.items().size(); ++i) {
    const json::Value& item = value.items()[i];
    // The place is spelt out for an error only: a tier has two hundred such items, read at every start.
    if (!item.is(json::Value::Kind::kString)) return to_text(item, at_index(where, i)).error();
    texts.push_back(item.text());
  }
  return texts;
}

Result<std::vector<std::string>> to_list(const json::Value& value, std::string_view where,
                                         const std::vector<std::string>& inherited) {
  std::vector<std::string> texts = TRY(to_texts(value, where));
  if (!texts.empty() && texts[0] == "...") {
    texts.erase(texts.begin());
    texts.insert(texts.begin(), inherited.begin(), inherited.end());
  }
  if (std::find(texts.begin(), texts.end(), "...") != texts.end()) {
    return invalid(where, "\"...\" stands for the inherited list and can only come first");
  }
  return texts;
}

Result<std::string> to_sha256(const json::Value& value, std::string_view where) {
  std::string text = TRY(to_text(value, where));
  const bool hex = text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!hex) return invalid(where, "expected 64 lower-case hexadecimal digits");
  return text;
}

Status check_paths(const std::vector<std::string>& paths, std::string_view where) {
  for (const std::string& path : paths) {
    if (!path.starts_with('/') || clean_path(path) != path) {
      return invalid(where, concat({"\"", path, "\" is not a clean absolute path"}));
    }
  }
  return ok_status();
}

std::string at_key(std::string_view where, std::string_view key) {
  return where.ends_with(':') ? concat({where, " ", key}) : concat({where, ".", key});
}

std::string at_index(std::string_view where, size_t index) {
  return concat({where, "[", std::to_string(index), "]"});
}

}  // namespace gabion::policy
