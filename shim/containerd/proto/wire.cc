#include "shim/containerd/proto/wire.h"

#include <cstring>

namespace gabion::proto {

namespace {

constexpr int kMaxVarintBytes = 10;
constexpr uint64_t kMaxFieldNumber = (uint64_t{1} << 29) - 1;

Error truncated() { return make_error(Code::kInvalid, "protobuf: a message is cut short"); }

uint64_t little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

Result<std::string_view> Reader::take(size_t size) {
  if (size > rest_.size()) return truncated();
  const std::string_view taken = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return taken;
}

Result<uint64_t> Reader::varint() {
  uint64_t value = 0;
  for (int i = 0; i < kMaxVarintBytes; ++i) {
    const auto byte = static_cast<unsigned char>(TRY(take(1))[0]);
    if (i == kMaxVarintBytes - 1 && byte > 1) break;  // beyond the 64th bit
    value |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
    if ((byte & 0x80) == 0) return value;
  }
  return make_error(Code::kInvalid, "protobuf: a number has more than 64 bits");
}

Result<std::optional<Field>> Reader::next() {
  if (rest_.empty()) return std::optional<Field>();
  const uint64_t tag = TRY(varint());
  Field field;
  if (tag >> 3 == 0 || tag >> 3 > kMaxFieldNumber) {
    return make_error(Code::kInvalid, "protobuf: a field has no number");
  }
  field.number = static_cast<uint32_t>(tag >> 3);
  field.type = static_cast<WireType>(tag & 7);
  switch (field.type) {
    case WireType::kVarint:
      field.value = TRY(varint());
      break;
    case WireType::kFixed64:
      field.value = little_endian(TRY(take(8)));
      break;
    case WireType::kFixed32:
      field.value = little_endian(TRY(take(4)));
      break;
    case WireType::kBytes: {
      const uint64_t size = TRY(varint());
      field.bytes = TRY(take(size));
      break;
    }
    default:
      return make_error(Code::kInvalid, "protobuf: a field is of no known kind");
  }
  return std::optional<Field>(field);
}

void Writer::bare_varint(uint64_t value) {
  while (value > 0x7F) {
    out_.push_back(static_cast<char>((value & 0x7F) | 0x80));
    value >>= 7;
  }
  out_.push_back(static_cast<char>(value));
}

void Writer::tag(uint32_t number, WireType type) {
  bare_varint(uint64_t{number} << 3 | static_cast<uint64_t>(type));
}

void Writer::varint(uint32_t number, uint64_t value) {
  tag(number, WireType::kVarint);
  bare_varint(value);
}

void Writer::bytes(uint32_t number, std::string_view value) {
  tag(number, WireType::kBytes);
  bare_varint(value.size());
  out_.append(value);
}

void Writer::real(uint32_t number, double value) {
  tag(number, WireType::kFixed64);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  for (int byte = 0; byte < 8; ++byte) out_.push_back(static_cast<char>(bits >> (8 * byte) & 0xFF));
}

}  // namespace gabion::proto
