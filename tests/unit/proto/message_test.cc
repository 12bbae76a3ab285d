#include "shim/containerd/proto/message.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>

#include "shim/containerd/proto/events.h"
#include "shim/containerd/proto/runtime.h"
#include "shim/containerd/proto/task.h"

namespace gabion::proto {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text.push_back(static_cast<char>(value));
  return text;
}

struct Every {
  int32_t signed_number = 0;
  uint64_t number = 0;
  bool flag = false;
  std::string text{};
  std::vector<uint64_t> numbers{};
  std::vector<std::string> texts{};
  std::optional<Timestamp> time{};

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.signed_number), visit(2, self.number), visit(3, self.flag), visit(4, self.text),
        visit(5, self.numbers), visit(6, self.texts), visit(7, self.time);
  }
};

// As `protoc --encode` writes them.
TEST(Message, BytesAreThoseOfProtoc) {
  EXPECT_EQ(encode(KillRequest{.id = "a", .exec_id = {}, .signal = 300, .all = true}),
            bytes({0x0A, 1, 'a', 0x18, 0xAC, 0x02, 0x20, 1}));
  EXPECT_EQ(encode(WaitResponse{.exit_status = 1, .exited_at = {.seconds = 5, .nanos = 0}}),
            bytes({0x08, 1, 0x12, 2, 0x08, 5}));
  // A negative int32 is ten bytes: its 64-bit two's complement.
  EXPECT_EQ(encode(Every{.signed_number = -1}),
            bytes({0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1}));
  EXPECT_EQ(encode(Every{.numbers = {1, 300}}), bytes({0x2A, 3, 1, 0xAC, 2}));
  // Absent is not empty.
  EXPECT_EQ(encode(Every{}), "");
  EXPECT_EQ(encode(Every{.time = Timestamp{}}), bytes({0x3A, 0}));
  EXPECT_EQ(encode(Every{.texts = {"", "b"}}), bytes({0x32, 0, 0x32, 1, 'b'}));
}

TEST(Message, RealNumbersAreFixed) {
  std::string text;
  Writer(text).real(1, 1.25);
  EXPECT_EQ(text, bytes({0x09, 0, 0, 0, 0, 0, 0, 0xF4, 0x3F}));
}

TEST(Message, WhatIsEncodedIsDecoded) {
  const Every every{.signed_number = -7,
                    .number = UINT64_MAX,
                    .flag = true,
                    .text = std::string("a\0b", 3),
                    .numbers = {0, 1, UINT64_MAX},
                    .texts = {"", "x"},
                    .time = Timestamp{.seconds = -3, .nanos = 999'999'999}};
  const Result<Every> back = decode<Every>(encode(every));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->signed_number, -7);
  EXPECT_EQ(back->number, UINT64_MAX);
  EXPECT_TRUE(back->flag);
  EXPECT_EQ(back->text, every.text);
  EXPECT_EQ(back->numbers, every.numbers);
  EXPECT_EQ(back->texts, every.texts);
  ASSERT_TRUE(back->time.has_value());
  EXPECT_EQ(back->time->seconds, -3);
  EXPECT_EQ(back->time->nanos, 999'999'999);
}

TEST(Message, UnpackedNumbersAndUnknownFieldsAreRead) {
  const Result<Every> back = decode<Every>(bytes({0x28, 1, 0x28, 2, 0xF8, 1, 9, 0x18, 1, 0x7D, 1, 2, 3, 4}));
  ASSERT_TRUE(back.ok()) << back.error().message();
  EXPECT_EQ(back->numbers, (std::vector<uint64_t>{1, 2}));
  EXPECT_TRUE(back->flag);
}

TEST(Message, WhatIsNoMessageIsAnError) {
  for (const std::string& text : {
           bytes({0x0A}),                                                              // no length
           bytes({0x0A, 5, 'a'}),                                                      // cut short
           bytes({0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 'a'}),                           // longer than there is
           bytes({0x00, 1}),                                                           // field 0
           bytes({0x0B}),                                                              // a group
           bytes({0x0F, 1}),                                                           // no such kind
           bytes({0x08, 1}),                                                           // id as a number
           bytes({0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02}),  // 65 bits
           bytes({0x09, 1, 2}),  // a fixed64 of two bytes
       }) {
    const Result<KillRequest> decoded = decode<KillRequest>(text);
    ASSERT_FALSE(decoded.ok()) << testing::PrintToString(text);
    EXPECT_EQ(decoded.error().code, Code::kInvalid);
  }
}

// Two bytes of a frame for each element: four million of them would be half a gigabyte.
TEST(Message, ElementsAreBounded) {
  std::string text;
  for (size_t i = 0; i <= kMaxElements; ++i) text += std::string("\x1a\x00", 2);  // an empty mount
  EXPECT_FALSE(decode<CreateTaskRequest>(text).ok());
  text.resize(2 * kMaxElements);
  const Result<CreateTaskRequest> decoded = decode<CreateTaskRequest>(text);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message();
  EXPECT_EQ(decoded->rootfs.size(), kMaxElements);
}

// Whatever comes: an answer, and nothing beyond the bytes is read (the sanitizers' lane sees to that).
TEST(Message, RandomAndMangledBytes) {
  std::mt19937 random(20);  // NOLINT: the same each time
  const std::string good = encode(
      CreateTaskRequest{.id = "container",
                        .bundle = "/run/bundle",
                        .rootfs = {{.type = "overlay", .source = "o", .target = {}, .options = {"a", "b"}}},
                        .terminal = true,
                        .stdin_path = "/in",
                        .stdout_path = "/out",
                        .stderr_path = "/err",
                        .checkpoint = {},
                        .parent_checkpoint = {},
                        .options = {.type_url = "t", .value = "v"}});
  int decoded = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    for (int changes = 1 + static_cast<int>(random() % 4); changes > 0; --changes) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    text.resize(random() % (text.size() + 1));
    decoded += decode<CreateTaskRequest>(text).ok() ? 1 : 0;
    (void)decode<BootstrapParams>(text);
    (void)decode<ForwardRequest>(text);
  }
  EXPECT_GT(decoded, 0);
  EXPECT_LT(decoded, 20'000);
}

}  // namespace
}  // namespace gabion::proto
