// The visitor that fills structs from JSON. One per document: it keeps the path to where it is, for
// messages, and the first error, after which it reads nothing more.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "oci/schema.h"

namespace gabion::oci {

using Pairs = std::vector<std::pair<std::string, std::string>>;

class DocumentReader {
 public:
  template <typename T>
  Result<T> read_document(const json::Value& document) {
    T result;
    read(document, result);
    if (error_) return std::move(*error_);
    return result;
  }

  template <typename T>
  void member(const json::Value& object, std::string_view key, T& out) {
    const json::Value* value = error_ ? nullptr : object.find(key);
    // Go's engines print a nil pointer, slice or map as null: absent.
    if (value == nullptr || value->is(json::Value::Kind::kNull)) return;
    path_.push_back(Step{.key = key});
    read(*value, out);
    path_.pop_back();
  }

  // The object at `key`, for a struct with one field.
  template <typename T>
  void wrapped(const json::Value& object, std::string_view key, std::string_view inner, T& out);

 private:
  struct Step {
    std::string_view key;
    size_t index = 0;
    enum class Kind { kField, kIndex, kMapKey } kind = Kind::kField;
  };

  bool expect(const json::Value& value, json::Value::Kind kind);
  void fail(std::string_view reason);
  void read(const json::Value& value, bool& out);
  void read(const json::Value& value, std::string& out);
  void read(const json::Value& value, NamespaceType& out);
  void read(const json::Value& value, Pairs& out);
  void read_signed(const json::Value& value, int64_t low, int64_t high, int64_t& out);
  void read_unsigned(const json::Value& value, uint64_t high, uint64_t& out);

  template <typename T>
    requires std::signed_integral<T>
  void read(const json::Value& value, T& out) {
    int64_t number = 0;
    read_signed(value, std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), number);
    out = static_cast<T>(number);
  }

  template <typename T>
    requires(std::unsigned_integral<T> && !std::same_as<T, bool>)
  void read(const json::Value& value, T& out) {
    uint64_t number = 0;
    read_unsigned(value, std::numeric_limits<T>::max(), number);
    out = static_cast<T>(number);
  }

  template <typename T>
  void read(const json::Value& value, std::optional<T>& out) {
    read(value, out.emplace());
  }

  template <typename T>
  void read(const json::Value& value, std::vector<T>& out) {
    if (!expect(value, json::Value::Kind::kArray)) return;
    out.reserve(value.items().size());
    path_.push_back(Step{.key = {}, .index = 0, .kind = Step::Kind::kIndex});
    for (const json::Value& item : value.items()) {
      if (error_) break;
      read(item, out.emplace_back());
      ++path_.back().index;
    }
    path_.pop_back();
  }

  template <typename T>
  void read(const json::Value& value, std::map<std::string, T>& out) {
    if (!expect(value, json::Value::Kind::kObject)) return;
    for (const auto& [key, item] : value.members()) {
      if (error_) break;
      path_.push_back(Step{.key = key, .index = 0, .kind = Step::Kind::kMapKey});
      read(item, out[key]);
      path_.pop_back();
    }
  }

  template <typename T>
    requires std::is_class_v<T>
  void read(const json::Value& value, T& out);

  std::vector<Step> path_;
  std::optional<Error> error_;
};

// What `fields` sees: one object of the document.
class FieldReader {
 public:
  FieldReader(DocumentReader& reader, const json::Value& object) : reader_(reader), object_(object) {}

  template <typename T>
  void field(std::string_view key, T& out) {
    reader_.member(object_, key, out);
  }

  // A required field is not demanded here: Go's engines leave zero values out, and what must be
  // there is oci/check's to say.
  template <typename T>
  void always(std::string_view key, T& out) {
    reader_.member(object_, key, out);
  }

  template <typename T>
  void wrapped(std::string_view key, std::string_view inner, T& out) {
    reader_.wrapped(object_, key, inner, out);
  }

  void presence(std::string_view key, bool& out) {
    const json::Value* value = object_.find(key);
    out = value != nullptr && !value->is(json::Value::Kind::kNull);
  }

 private:
  DocumentReader& reader_;
  const json::Value& object_;
};

template <typename T>
  requires std::is_class_v<T>
void DocumentReader::read(const json::Value& value, T& out) {
  if (!expect(value, json::Value::Kind::kObject)) return;
  FieldReader reader(*this, value);
  fields(reader, out);
}

// A struct of one field that the Spec flattens.
template <typename T>
struct Wrapped {
  std::string_view inner;
  T* out = nullptr;
};

template <typename V, typename T>
void fields(V& visitor, Wrapped<T>& wrapped) {
  visitor.field(wrapped.inner, *wrapped.out);
}

template <typename T>
void DocumentReader::wrapped(const json::Value& object, std::string_view key, std::string_view inner,
                             T& out) {
  Wrapped<T> wrapper{inner, &out};
  member(object, key, wrapper);
}

}  // namespace gabion::oci
