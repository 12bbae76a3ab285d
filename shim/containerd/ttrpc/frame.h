// ttrpc's framing (github.com/containerd/ttrpc, PROTOCOL.md): a header of ten bytes, then a message.
//
//     u32 length | u32 stream id | u8 type | u8 flags          big-endian
//
// A request opens a stream; clients use odd numbers that grow. containerd's task traffic is unary: one
// request, one response.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "shim/containerd/proto/common.h"

namespace gabion::ttrpc {

inline constexpr size_t kHeaderBytes = 10;
inline constexpr size_t kMaxMessageBytes = size_t{4} << 20;

enum class FrameType : uint8_t { kRequest = 1, kResponse = 2, kData = 3 };

struct Frame {
  uint32_t stream = 0;
  FrameType type = FrameType::kRequest;
  uint8_t flags = 0;
  std::string_view message;
};

// The first frame of `bytes`, whose message is a part of them; nullopt when it is not whole yet. `consumed`:
// what to drop. Code::kInvalid for a length beyond kMaxMessageBytes, which no sender of a valid one recovers
// from.
Result<std::optional<Frame>> parse_frame(std::string_view bytes, size_t& consumed);

// Code::kInvalid beyond kMaxMessageBytes.
Result<std::string> format_frame(uint32_t stream, FrameType type, std::string_view message);

// gRPC's, as far as a shim answers them; google/rpc/code.proto.
enum class RpcCode : int32_t {
  kOk = 0,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kUnimplemented = 12,
  kUnavailable = 14,
};

struct Request {
  std::string service;  // "containerd.task.v2.Task"
  std::string method;   // "Create"
  std::string payload;
  int64_t timeout_nano = 0;
  std::vector<proto::MapEntry> metadata;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.service), visit(2, self.method), visit(3, self.payload), visit(4, self.timeout_nano),
        visit(5, self.metadata);
  }
};

// google.rpc.Status
struct RpcStatus {
  int32_t code = 0;
  std::string message;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.code), visit(2, self.message);
  }
};

struct Response {
  RpcStatus status;
  std::string payload;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.status), visit(2, self.payload);
  }
};

// What a gabion error is to a client.
RpcStatus status_of(const Error& error);

}  // namespace gabion::ttrpc
