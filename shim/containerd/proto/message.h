// A message is a struct with a list of its fields:
//
//     struct KillRequest {
//       std::string id;
//       uint32_t signal = 0;
//
//       template <typename Self, typename Visitor>
//       static void fields(Self& self, Visitor& visit) { visit(1, self.id), visit(3, self.signal); }
//     };
//
// decode<KillRequest>(bytes) and encode(request) do the rest. A field is a std::string (string, bytes), an
// unsigned or signed integer, a bool, an enumeration, another message, a std::optional of one (absent is not
// the same as empty), or a std::vector of any of these, of kMaxElements at most. Unknown fields are skipped,
// the last of a field that is there twice counts, and what is zero or empty is not written: proto3's rules.
// So a member must be that by default: nothing written encodes what is anything else.
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "shim/containerd/proto/wire.h"

namespace gabion::proto {

// An element that takes two bytes of a frame takes a hundred of memory: a frame must not become a thousand
// times itself.
inline constexpr size_t kMaxElements = 16'384;

template <typename Message>
Result<Message> decode(std::string_view bytes);
template <typename Message>
std::string encode(const Message& message);

namespace detail {

template <typename T>
concept Scalar = std::integral<T> || std::is_enum_v<T>;

inline Status expect(const Field& field, WireType type) {
  if (field.type == type) return ok_status();
  return make_error(Code::kInvalid, "protobuf: a field is of another kind than its message says");
}

inline Status room_for_one(size_t elements) {
  if (elements < kMaxElements) return ok_status();
  return make_error(Code::kInvalid, "protobuf: a field has more elements than are taken");
}

// Finds the member with the number of a field that was read, and fills it.
class Setter {
 public:
  explicit Setter(const Field& field) : field_(field) {}

  template <typename Member>
  void operator()(uint32_t number, Member& member) {
    if (number == field_.number) status_ = set(member);
  }
  Status take_status() { return std::move(status_); }

 private:
  template <Scalar T>
  Status set(T& member) {
    TRY(expect(field_, WireType::kVarint));
    member = static_cast<T>(field_.value);
    return ok_status();
  }
  Status set(std::string& member) {
    TRY(expect(field_, WireType::kBytes));
    member = field_.bytes;
    return ok_status();
  }
  template <typename T>
  Status set(std::optional<T>& member) {
    return set(member.emplace());
  }
  template <typename T>
  Status set(std::vector<T>& member) {
    if constexpr (Scalar<T>) {
      if (field_.type == WireType::kBytes) {  // packed
        for (Reader reader(field_.bytes); !reader.at_end();) {
          TRY(room_for_one(member.size()));
          member.push_back(static_cast<T>(TRY(reader.varint())));
        }
        return ok_status();
      }
    }
    TRY(room_for_one(member.size()));
    return set(member.emplace_back());
  }
  template <typename Message>
  Status set(Message& member) {
    TRY(expect(field_, WireType::kBytes));
    member = TRY(decode<Message>(field_.bytes));
    return ok_status();
  }

  const Field& field_;
  Status status_ = ok_status();
};

class Getter {
 public:
  explicit Getter(std::string& out) : writer_(out) {}

  template <Scalar T>
  void operator()(uint32_t number, const T& member) {
    if (member != T{}) writer_.varint(number, static_cast<uint64_t>(member));
  }
  void operator()(uint32_t number, const std::string& member) {
    if (!member.empty()) writer_.bytes(number, member);
  }
  template <typename T>
  void operator()(uint32_t number, const std::optional<T>& member) {
    if (member) writer_.bytes(number, encode(*member));
  }
  template <typename T>
  void operator()(uint32_t number, const std::vector<T>& members) {
    if constexpr (Scalar<T>) {
      std::string packed;
      Writer inner(packed);
      for (const T member : members) inner.bare_varint(static_cast<uint64_t>(member));
      if (!packed.empty()) writer_.bytes(number, packed);
    } else {
      // Elements are written also when they are empty: they count.
      for (const T& member : members) {
        if constexpr (std::same_as<T, std::string>) {
          writer_.bytes(number, member);
        } else {
          writer_.bytes(number, encode(member));
        }
      }
    }
  }
  template <typename Message>
  void operator()(uint32_t number, const Message& member) {
    const std::string inner = encode(member);
    if (!inner.empty()) writer_.bytes(number, inner);
  }

 private:
  Writer writer_;
};

}  // namespace detail

// Code::kInvalid when the bytes are no such message.
template <typename Message>
Result<Message> decode(std::string_view bytes) {
  Message message;
  Reader reader(bytes);
  while (const std::optional<Field> field = TRY(reader.next())) {
    detail::Setter setter(*field);
    Message::fields(message, setter);
    TRY(setter.take_status());
  }
  return message;
}

template <typename Message>
std::string encode(const Message& message) {
  std::string out;
  detail::Getter getter(out);
  Message::fields(message, getter);
  return out;
}

}  // namespace gabion::proto
