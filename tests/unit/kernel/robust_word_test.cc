// Words that end with their holder: what the kernel does at execve(2) and at a death, and what it is not
// asked.
#include "kernel/robust_word.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/clock.h"

namespace gabion::kernel {
namespace {

class Words : public ::testing::Test {
 protected:
  void SetUp() override {
    void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    words_ = static_cast<RobustWord*>(memory);
    words_[0].value = words_[1].value = kUnborn;
  }
  void TearDown() override {
    if (child_ > 0) {
      (void)::kill(child_, SIGKILL);
      (void)::waitpid(child_, nullptr, 0);
    }
    (void)::munmap(words_, 4096);
  }

  // A process that holds both words, and then does `body`.
  void holder(const std::function<void()>& body) {
    child_ = ::fork();
    if (child_ != 0) return;
    RobustHolder held;
    if (held.hold(words_, 2).ok()) body();
    ::_exit(0);
  }

  RobustWord* words_ = nullptr;
  pid_t child_ = 0;
};

TEST_F(Words, AReleasedWordIsTold) {
  holder([&] {
    release(words_[0]);
    ::pause();
  });
  EXPECT_EQ(wait_while_held(words_[0], -1), Hold::kReleased);
  EXPECT_EQ(wait_while_held(words_[1], 0), Hold::kHeld);
}

TEST_F(Words, WhoWaitedBeforeTheHolderWasBornIsWoken) {
  holder([&] {
    ::usleep(50000);
    release(words_[0]);
    ::pause();
  });
  EXPECT_EQ(wait_while_held(words_[0], 10000), Hold::kReleased);
}

TEST_F(Words, ADeathIsTold) {
  holder([] { ::pause(); });
  EXPECT_EQ(wait_while_held(words_[1], 50), Hold::kHeld);
  ASSERT_EQ(::kill(child_, SIGKILL), 0);
  EXPECT_EQ(wait_while_held(words_[0], -1), Hold::kGone);
  EXPECT_EQ(wait_while_held(words_[1], -1), Hold::kGone);
}

TEST_F(Words, AnotherProgramIsTold) {
  holder([] { (void)::execl("/bin/sleep", "sleep", "1000", nullptr); });
  EXPECT_EQ(wait_while_held(words_[1], -1), Hold::kGone);
  int status = 0;
  EXPECT_EQ(::waitpid(child_, &status, WNOHANG), 0) << "it still runs";
}

TEST_F(Words, AnErrorOfExecveIsNotAnEnd) {
  holder([] {
    (void)::execl("/nonexistent", "x", nullptr);
    ::pause();
  });
  EXPECT_EQ(wait_while_held(words_[1], 200), Hold::kHeld);
}

TEST_F(Words, WhatWasReleasedStaysSoWhenTheHolderDies) {
  holder([&] { release(words_[0]); });
  ASSERT_EQ(::waitpid(child_, nullptr, 0), child_);
  child_ = 0;
  EXPECT_EQ(wait_while_held(words_[0], -1), Hold::kReleased);
  EXPECT_EQ(wait_while_held(words_[1], -1), Hold::kGone);
}

// Each wakes who waits, and leaves the word held.
TEST_F(Words, WhoWritesAllTheTimeDoesNotPutTheEndOff) {
  holder([&] {
    for (const int64_t end = monotonic_ms() + 3000; monotonic_ms() < end;) {
      words_[1].value = 1;
      (void)::syscall(SYS_futex, &words_[1].value, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
      words_[1].value = 2;
    }
    ::pause();
  });
  const int64_t begin = monotonic_ms();
  EXPECT_EQ(wait_while_held(words_[1], 100), Hold::kHeld);
  EXPECT_LT(monotonic_ms() - begin, 1500);
}

TEST_F(Words, AHolderThatWasNeverBornIsNotTold) { EXPECT_EQ(wait_while_held(words_[0], 10), Hold::kHeld); }

}  // namespace
}  // namespace gabion::kernel
