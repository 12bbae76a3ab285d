// The document tree over yajl's SAX interface. yajl tokenises; every bound is ours, checked before
// or between its callbacks, because yajl has none. Never yajl_tree: it overflows the stack freeing
// a deep document, keeps duplicate keys and cuts strings at \u0000.
#include "base/json.h"

#include <yajl/yajl_parse.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <system_error>

#include "base/json_text.h"

namespace gabion::json {

Value Value::boolean(bool value) { return Value(std::in_place_type<bool>, value); }

Value Value::number(std::string text) { return Value(std::in_place_type<Number>, Number{std::move(text)}); }

Value Value::integer(int64_t value) { return number(std::to_string(value)); }

Value Value::unsigned_integer(uint64_t value) { return number(std::to_string(value)); }

Value Value::string(std::string value) { return Value(std::in_place_type<std::string>, std::move(value)); }

Value Value::array() { return Value(std::in_place_type<std::vector<Value>>, {}); }

Value Value::object() { return Value(std::in_place_type<std::vector<Member>>, {}); }

bool Value::as_bool() const {
  const bool* value = std::get_if<bool>(&data_);
  return value != nullptr && *value;
}

const std::string& Value::text() const {
  static const std::string kNone;
  if (const auto* text = std::get_if<std::string>(&data_)) return *text;
  const auto* number = std::get_if<Number>(&data_);
  return number != nullptr ? number->text : kNone;
}

const std::vector<Value>& Value::items() const {
  static const std::vector<Value> kNone;
  const auto* items = std::get_if<std::vector<Value>>(&data_);
  return items != nullptr ? *items : kNone;
}

const std::vector<Member>& Value::members() const {
  static const std::vector<Member> kNone;
  const auto* members = std::get_if<std::vector<Member>>(&data_);
  return members != nullptr ? *members : kNone;
}

const Value* Value::find(std::string_view key) const {
  for (const Member& member : members()) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

namespace {

template <typename Integer>
Result<Integer> exact(const Value& value) {
  Integer number = 0;
  const std::string& text = value.text();
  if (!value.is(Value::Kind::kNumber)) {
    return make_error(Code::kInvalid, "expected a number, found " + std::string(kind_name(value.kind())));
  }
  const char* end = text.data() + text.size();
  auto [stop, status] = std::from_chars(text.data(), end, number);
  if (status == std::errc() && stop == end) return number;
  // Cut short: a number literal may be megabytes long.
  return make_error(Code::kInvalid, "expected a whole number in range, found " + text.substr(0, 40));
}

}  // namespace

Result<int64_t> Value::as_int64() const { return exact<int64_t>(*this); }

Result<uint64_t> Value::as_uint64() const { return exact<uint64_t>(*this); }

Value& Value::push(Value item) {
  return std::get_if<std::vector<Value>>(&data_)->emplace_back(std::move(item));
}

Value& Value::set(std::string key, Value value) {
  for (Member& member : *std::get_if<std::vector<Member>>(&data_)) {
    if (member.first == key) return member.second = std::move(value);
  }
  return add(std::move(key), std::move(value));
}

Value& Value::add(std::string key, Value value) {
  return std::get_if<std::vector<Member>>(&data_)->emplace_back(std::move(key), std::move(value)).second;
}

std::string_view kind_name(Value::Kind kind) {
  switch (kind) {
    case Value::Kind::kNull:
      return "null";
    case Value::Kind::kBool:
      return "boolean";
    case Value::Kind::kNumber:
      return "number";
    case Value::Kind::kString:
      return "string";
    case Value::Kind::kArray:
      return "array";
    case Value::Kind::kObject:
      return "object";
  }
  return "unknown";
}

namespace {

// Below this many members a linear look back is quicker than a tree, and needs no copies.
constexpr size_t kLinearMembers = 16;

class Builder {
 public:
  explicit Builder(const ParseOptions& options) : options_(options) {}

  bool open(Value&& container) {
    if (frames_.size() >= options_.max_depth) {
      return fail("nested deeper than " + std::to_string(options_.max_depth) + " levels");
    }
    if (!count()) return false;
    frames_.push_back(Frame{std::move(container), {}, {}});
    return true;
  }

  bool close() {
    Value finished = std::move(frames_.back().value);
    frames_.pop_back();
    attach(std::move(finished));
    return true;
  }

  bool leaf(Value&& value) {
    if (!count()) return false;
    attach(std::move(value));
    return true;
  }

  // Go keeps the last of two equal keys, yajl_tree the first: whoever checks a document and whoever
  // obeys it would read different ones.
  bool key(std::string_view name) {
    Frame& frame = frames_.back();
    const std::vector<Member>& members = frame.value.members();
    bool duplicate = false;
    if (members.size() < kLinearMembers) {
      duplicate = frame.value.find(name) != nullptr;
    } else {
      // A tree, not a hash table: its worst case does not depend on the author of the keys.
      if (frame.keys.empty()) {
        for (const Member& member : members) frame.keys.insert(member.first);
      }
      duplicate = !frame.keys.emplace(name).second;
    }
    if (duplicate) return fail("duplicate key \"" + escape(name.substr(0, 64)) + "\"");
    frame.key.assign(name);
    return true;
  }

  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] std::optional<Value>& root() { return root_; }

 private:
  struct Frame {
    Value value;
    std::string key;             // of the member being read
    std::set<std::string> keys;  // filled from kLinearMembers members on
  };

  bool count() {
    if (++values_ > options_.max_values) {
      return fail("more than " + std::to_string(options_.max_values) + " values");
    }
    return true;
  }

  void attach(Value&& value) {
    if (frames_.empty()) {
      root_ = std::move(value);
    } else if (frames_.back().value.is(Value::Kind::kArray)) {
      frames_.back().value.push(std::move(value));
    } else {
      frames_.back().value.add(std::move(frames_.back().key), std::move(value));
    }
  }

  bool fail(std::string reason) {
    failure_ = std::move(reason);
    return false;
  }

  const ParseOptions& options_;
  std::vector<Frame> frames_;
  std::optional<Value> root_;
  size_t values_ = 0;
  std::string failure_;
};

Builder& builder(void* context) { return *static_cast<Builder*>(context); }

std::string bytes(const unsigned char* data, size_t size) {
  return std::string(reinterpret_cast<const char*>(data), size);
}

constexpr yajl_callbacks kCallbacks = {
    .yajl_null = [](void* context) -> int { return builder(context).leaf(Value()); },
    .yajl_boolean = [](void* context, int value) -> int {
      return builder(context).leaf(Value::boolean(value != 0));
    },
    .yajl_integer = nullptr,
    .yajl_double = nullptr,
    .yajl_number = [](void* context, const char* text, size_t size) -> int {
      return builder(context).leaf(Value::number(std::string(text, size)));
    },
    .yajl_string = [](void* context, const unsigned char* text, size_t size) -> int {
      return builder(context).leaf(Value::string(bytes(text, size)));
    },
    .yajl_start_map = [](void* context) -> int { return builder(context).open(Value::object()); },
    .yajl_map_key = [](void* context, const unsigned char* text, size_t size) -> int {
      return builder(context).key({reinterpret_cast<const char*>(text), size});
    },
    .yajl_end_map = [](void* context) -> int { return builder(context).close(); },
    .yajl_start_array = [](void* context) -> int { return builder(context).open(Value::array()); },
    .yajl_end_array = [](void* context) -> int { return builder(context).close(); },
};

Error located(std::string_view name, std::string_view text, size_t offset, std::string_view reason) {
  offset = std::min(offset, text.size());
  auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
  std::string context(name);
  context += ": line " + std::to_string(line) + ", byte " + std::to_string(offset) + ": ";
  context += reason;
  return make_error(Code::kInvalid, std::move(context));
}

// yajl ends its one-line messages with a newline.
std::string yajl_reason(yajl_handle parser) {
  unsigned char* text = yajl_get_error(parser, 0, nullptr, 0);
  if (text == nullptr) return "parse error";
  std::string reason = reinterpret_cast<const char*>(text);
  yajl_free_error(parser, text);
  while (!reason.empty() && (reason.back() == '\n' || reason.back() == '.')) reason.pop_back();
  return reason;
}

}  // namespace

Result<Value> parse(std::string_view text, std::string_view name, const ParseOptions& options) {
  if (text.size() > options.max_bytes) {
    return make_error(Code::kInvalid, std::string(name) + ": larger than the limit of " +
                                          std::to_string(options.max_bytes) + " bytes");
  }
  if (auto flaw = find_text_flaw(text, options.allow_comments)) {
    return located(name, text, flaw->offset, flaw->reason);
  }
  Builder state(options);
  std::unique_ptr<yajl_handle_t, decltype(&yajl_free)> parser(yajl_alloc(&kCallbacks, nullptr, &state),
                                                              &yajl_free);
  if (parser == nullptr) return sys_error(std::string(name), ENOMEM);
  yajl_config(parser.get(), yajl_allow_comments, options.allow_comments ? 1 : 0);

  const auto* data = reinterpret_cast<const unsigned char*>(text.data());
  yajl_status status = yajl_parse(parser.get(), data, text.size());
  size_t offset = yajl_get_bytes_consumed(parser.get());
  if (status == yajl_status_ok) {
    // A document that ends too early shows only here, and yajl then counts from its own last call.
    status = yajl_complete_parse(parser.get());
    offset = text.size();
  }
  if (status == yajl_status_client_canceled) return located(name, text, offset, state.failure());
  if (status != yajl_status_ok) return located(name, text, offset, yajl_reason(parser.get()));
  if (!state.root()) return located(name, text, offset, "empty document");
  return std::move(*state.root());
}

}  // namespace gabion::json
