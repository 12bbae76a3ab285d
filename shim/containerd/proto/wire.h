// Protocol buffers as bytes: varints, lengths and field numbers (protobuf.dev, "Encoding"). What the fields
// mean is message.h's and the messages' own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gabion::proto {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint32_t number = 0;  // 1 to 2^29 - 1
  WireType type = WireType::kVarint;
  uint64_t value = 0;      // kVarint, kFixed64, kFixed32
  std::string_view bytes;  // kBytes: a part of what is read
};

// One field after the other. Whatever the bytes are, nothing beyond them is read.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  // nullopt at the end; Code::kInvalid for what is cut short, a varint of more than 64 bits, field number 0,
  // and the groups of proto2, which none of containerd's messages have.
  Result<std::optional<Field>> next();
  // A varint alone: an element of a packed list. Code::kInvalid as above, and at the end.
  Result<uint64_t> varint();
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  Result<std::string_view> take(size_t size);
  std::string_view rest_;
};

// Appends to a text. A zero or empty value is written only where it is said: proto3 leaves it out.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  void varint(uint32_t number, uint64_t value);
  void bytes(uint32_t number, std::string_view value);
  void real(uint32_t number, double value);
  void bare_varint(uint64_t value);

 private:
  void tag(uint32_t number, WireType type);
  std::string& out_;
};

}  // namespace gabion::proto
