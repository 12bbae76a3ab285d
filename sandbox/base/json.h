// JSON, bounded: a document tree read through yajl's SAX interface, and a writer.
//
// Stricter than JSON where two parsers could disagree about a hostile document: duplicate keys, NUL
// in strings, invalid UTF-8, nesting beyond `max_depth` and trailing bytes are errors, and numbers
// keep their text, so that 2^64-1 is exact and 1e999 is refused rather than rounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace gabion::json {

class Value;
using Member = std::pair<std::string, Value>;

class Value {
 public:
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };  // in the order of Data

  Value() = default;
  static Value boolean(bool value);
  static Value number(std::string text);  // the literal, already validated
  static Value integer(int64_t value);
  static Value unsigned_integer(uint64_t value);
  static Value string(std::string value);
  static Value array();
  static Value object();

  [[nodiscard]] Kind kind() const { return static_cast<Kind>(data_.index()); }
  [[nodiscard]] bool is(Kind kind) const { return this->kind() == kind; }
  // Of a value of another kind: false, "" and nothing.
  [[nodiscard]] bool as_bool() const;
  [[nodiscard]] const std::string& text() const;  // the string, or a number's literal text
  [[nodiscard]] const std::vector<Value>& items() const;
  [[nodiscard]] const std::vector<Member>& members() const;
  // nullptr when absent or when this is not an object.
  [[nodiscard]] const Value* find(std::string_view key) const;

  // Exact conversions: a fraction, an exponent or a value out of range is an error.
  [[nodiscard]] Result<int64_t> as_int64() const;
  [[nodiscard]] Result<uint64_t> as_uint64() const;

  Value& push(Value item);                   // array
  Value& set(std::string key, Value value);  // object; replaces an existing key
  Value& add(std::string key, Value value);  // object; the caller knows the key is new: no search

 private:
  struct Number {
    std::string text;
  };
  using Data =
      std::variant<std::monostate, bool, Number, std::string, std::vector<Value>, std::vector<Member>>;

  template <typename T>
  explicit Value(std::in_place_type_t<T> type, T data) : data_(type, std::move(data)) {}

  Data data_;
};

// "object", "string": for messages.
std::string_view kind_name(Value::Kind kind);

struct ParseOptions {
  size_t max_bytes = size_t{16} << 20;
  size_t max_depth = 64;
  size_t max_values = 1'000'000;
  bool allow_comments = false;  // policy files only
};

// `name` is what errors call the document ("config.json").
Result<Value> parse(std::string_view text, std::string_view name, const ParseOptions& options = {});

enum class Style { kCompact, kIndented };  // kIndented: tabs, as runc's spec and state print
std::string write(const Value& value, Style style = Style::kCompact);

// The body of a JSON string literal, quotes excluded.
std::string escape(std::string_view text);

}  // namespace gabion::json
