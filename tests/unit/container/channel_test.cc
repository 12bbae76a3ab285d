// The handshake without a kernel in between: every order a peer may break it in.
#include "container/channel.h"

#include <gtest/gtest.h>

#include "container/start_socket.h"

namespace gabion::container {
namespace {

class Pair : public ::testing::Test {
 protected:
  void SetUp() override {
    auto ends = Channel::pair();
    ASSERT_TRUE(ends.ok());
    parent_ = std::move(ends->first);
    child_ = std::move(ends->second);
  }
  Channel parent_;
  Channel child_;
};

TEST_F(Pair, AnErrorKeepsItsCodeErrnoAndText) {
  ASSERT_TRUE(child_.send_error(Error{Code::kRefused, ENOSPC, "no room"}).ok());
  const auto message = parent_.expect(MessageKind::kReady);
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(message.error().code, Code::kRefused);
  EXPECT_EQ(message.error().sys_errno, ENOSPC);
  EXPECT_EQ(message.error().context, "no room");
}

TEST_F(Pair, TheWrongMessageIsAnError) {
  ASSERT_TRUE(child_.send(MessageKind::kHooks).ok());
  EXPECT_FALSE(parent_.expect(MessageKind::kReady).ok());
}

TEST_F(Pair, OneOfTwoIsTakenAndThePathIsWhole) {
  const std::string path(4095, 'x');
  ASSERT_TRUE(child_.send(Message{MessageKind::kPlace, 3, 77, path}).ok());
  ASSERT_TRUE(child_.send(MessageKind::kReady).ok());
  const auto place = parent_.expect(MessageKind::kPlace, MessageKind::kReady);
  ASSERT_TRUE(place.ok());
  EXPECT_EQ(place->kind, MessageKind::kPlace);
  EXPECT_EQ(place->value, 3);
  EXPECT_EQ(place->code, 77);
  EXPECT_EQ(place->text, path);
  const auto ready = parent_.expect(MessageKind::kPlace, MessageKind::kReady);
  ASSERT_TRUE(ready.ok());
  EXPECT_EQ(ready->kind, MessageKind::kReady);
  ASSERT_TRUE(child_.send(MessageKind::kHooks).ok());
  EXPECT_FALSE(parent_.expect(MessageKind::kPlace, MessageKind::kReady).ok());
}

TEST_F(Pair, ADeadPeerIsNotFound) {
  child_.close();
  const auto message = parent_.receive();
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(message.error().code, Code::kNotFound);
}

TEST_F(Pair, LastWordsOfAPeerThatDidNotListenAreHeard) {
  ASSERT_TRUE(child_.send_error(make_error(Code::kInvalid, "no such mount option")).ok());
  ASSERT_TRUE(parent_.send(MessageKind::kGrouped).ok());
  child_.close();
  const Result<Message> answer = parent_.expect(MessageKind::kReady);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().context, "no such mount option");
}

TEST_F(Pair, SendingToADeadPeerIsAnErrorNotASignal) {
  child_.close();
  EXPECT_FALSE(parent_.send(MessageKind::kCommit).ok());
}

TEST_F(Pair, ExecutionIsTheLastWordAndThenSilence) {
  ASSERT_TRUE(child_.send(MessageKind::kExecuting).ok());
  child_.close();
  EXPECT_TRUE(await_execution(parent_).ok());
}

TEST_F(Pair, DeathBeforeTheLastWordIsNotSuccess) {
  child_.close();
  EXPECT_FALSE(await_execution(parent_).ok());
}

TEST_F(Pair, AnExecErrorAfterTheLastWordIsReported) {
  ASSERT_TRUE(child_.send(MessageKind::kExecuting).ok());
  ASSERT_TRUE(child_.send_error(sys_error("exec /run.sh", ENOENT)).ok());
  child_.close();
  const auto status = await_execution(parent_);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message(), "exec /run.sh: no such file or directory");
}

TEST_F(Pair, TextBeyondTheBoundIsCutNotLost) {
  ASSERT_TRUE(child_.send_error(make_error(Code::kInternal, std::string(100000, 'x'))).ok());
  const auto message = parent_.expect(MessageKind::kReady);
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(message.error().context.size(), 4096U);
}

}  // namespace
}  // namespace gabion::container
