#include "shim/containerd/ttrpc/frame.h"

#include <gtest/gtest.h>

#include <string>

#include "shim/containerd/proto/message.h"

namespace gabion::ttrpc {
namespace {

TEST(Frame, HeaderIsBigEndian) {
  const Result<std::string> text = format_frame(0x01020304, FrameType::kResponse, "ab");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, std::string("\0\0\0\2\1\2\3\4\2\0ab", 12));
}

TEST(Frame, IsParsedOnceItIsWhole) {
  const std::string text = *format_frame(7, FrameType::kRequest, "hello") + "rest";
  size_t consumed = 99;
  for (size_t size = 0; size < kHeaderBytes + 5; ++size) {
    const auto part = parse_frame(std::string_view(text).substr(0, size), consumed);
    ASSERT_TRUE(part.ok());
    EXPECT_FALSE(part->has_value());
    EXPECT_EQ(consumed, 0U);
  }
  const auto whole = parse_frame(text, consumed);
  ASSERT_TRUE(whole.ok() && whole->has_value());
  EXPECT_EQ((*whole)->stream, 7U);
  EXPECT_EQ((*whole)->type, FrameType::kRequest);
  EXPECT_EQ((*whole)->message, "hello");
  EXPECT_EQ(text.substr(consumed), "rest");
}

TEST(Frame, FourMebibytesAreTheMost) {
  size_t consumed = 0;
  const std::string most(kMaxMessageBytes, 'x');
  const Result<std::string> text = format_frame(1, FrameType::kRequest, most);
  ASSERT_TRUE(text.ok());
  const auto frame = parse_frame(*text, consumed);
  ASSERT_TRUE(frame.ok() && frame->has_value());
  EXPECT_EQ((*frame)->message.size(), kMaxMessageBytes);
  EXPECT_FALSE(format_frame(1, FrameType::kRequest, most + "x").ok());
  // By its header alone, before any of it is kept.
  EXPECT_FALSE(parse_frame(std::string("\0\x40\0\1\0\0\0\1\1\0", 10), consumed).ok());
  EXPECT_FALSE(parse_frame(std::string("\xFF\xFF\xFF\xFF\0\0\0\1\1\0", 10), consumed).ok());
}

TEST(Frame, ErrorsHaveTheCodesOfGrpc) {
  EXPECT_EQ(status_of(make_error(Code::kNotFound, "x")).code, 5);
  EXPECT_EQ(status_of(make_error(Code::kExists, "x")).code, 6);
  EXPECT_EQ(status_of(make_error(Code::kRefused, "x")).code, 7);
  EXPECT_EQ(status_of(make_error(Code::kWrongState, "x")).code, 9);
  EXPECT_EQ(status_of(make_error(Code::kUnsupported, "x")).code, 12);
  EXPECT_EQ(status_of(make_error(Code::kInvalid, "x")).code, 3);
  EXPECT_EQ(status_of(make_error(Code::kSystem, "x")).message, "x");
}

TEST(Frame, RequestsAndResponses) {
  const Request request{
      .service = "s", .method = "m", .payload = "p", .timeout_nano = 5, .metadata = {{"k", "v"}}};
  const Result<Request> back = proto::decode<Request>(proto::encode(request));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->service, "s");
  EXPECT_EQ(back->metadata.at(0).value, "v");
  // Success is no status at all.
  EXPECT_EQ(proto::encode(Response{.status = {}, .payload = "p"}), "\x12\1p");
}

}  // namespace
}  // namespace gabion::ttrpc
