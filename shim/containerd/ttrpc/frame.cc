#include "shim/containerd/ttrpc/frame.h"

namespace gabion::ttrpc {

namespace {

uint32_t big_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

void put_big_endian(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift & 0xFF));
}

RpcCode rpc_code(const Error& error) {
  switch (error.code) {
    case Code::kInvalid:
      return RpcCode::kInvalidArgument;
    case Code::kUnsupported:
      return RpcCode::kUnimplemented;
    case Code::kRefused:
      return RpcCode::kPermissionDenied;
    case Code::kNotFound:
      return RpcCode::kNotFound;
    case Code::kExists:
      return RpcCode::kAlreadyExists;
    case Code::kWrongState:
      return RpcCode::kFailedPrecondition;
    case Code::kInternal:
    case Code::kSystem:
      return RpcCode::kUnknown;
  }
  return RpcCode::kUnknown;
}

}  // namespace

Result<std::optional<Frame>> parse_frame(std::string_view bytes, size_t& consumed) {
  consumed = 0;
  if (bytes.size() < kHeaderBytes) return std::optional<Frame>();
  const size_t length = big_endian(bytes.substr(0, 4));
  if (length > kMaxMessageBytes) return make_error(Code::kInvalid, "ttrpc: a message is longer than 4 MiB");
  if (bytes.size() - kHeaderBytes < length) return std::optional<Frame>();
  Frame frame;
  frame.stream = big_endian(bytes.substr(4, 4));
  frame.type = static_cast<FrameType>(bytes[8]);
  frame.flags = static_cast<uint8_t>(bytes[9]);
  frame.message = bytes.substr(kHeaderBytes, length);
  consumed = kHeaderBytes + length;
  return std::optional<Frame>(frame);
}

Result<std::string> format_frame(uint32_t stream, FrameType type, std::string_view message) {
  if (message.size() > kMaxMessageBytes) {
    return make_error(Code::kInvalid, "ttrpc: a message is longer than 4 MiB");
  }
  std::string out;
  out.reserve(kHeaderBytes + message.size());
  put_big_endian(out, static_cast<uint32_t>(message.size()));
  put_big_endian(out, stream);
  out.push_back(static_cast<char>(type));
  out.push_back(0);
  out.append(message);
  return out;
}

RpcStatus status_of(const Error& error) {
  return {.code = static_cast<int32_t>(rpc_code(error)), .message = error.message()};
}

}  // namespace gabion::ttrpc
