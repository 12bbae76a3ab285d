#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "tests/support/scratch.h"

namespace gabion {
namespace {

class Files : public ::testing::Test {
 protected:
  const tests::Scratch base_;
};

TEST_F(Files, BoundedReadsRefuseMoreThanTheLimit) {
  ASSERT_TRUE(write_file_atomic(base_ / "f", std::string(1000, 'x'), 0600).ok());
  EXPECT_EQ(read_file(base_ / "f", 1000)->size(), 1000U);
  const Result<std::string> more = read_file(base_ / "f", 999);
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.error().code, Code::kInvalid);
  // Endless, and of no size that fstat could tell.
  EXPECT_FALSE(read_file("/dev/zero", 100000).ok());
}

TEST_F(Files, AFifoDoesNotHoldTheReader) {
  ASSERT_EQ(::mkfifo((base_ / "fifo").c_str(), 0600), 0);
  const Result<std::string> text = read_file(base_ / "fifo", 100);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "");
}

TEST_F(Files, AtomicWritesReplaceAndLeaveNothingBeside) {
  ASSERT_TRUE(write_file_atomic(base_ / "f", "one", 0644).ok());
  ASSERT_TRUE(write_file_atomic(base_ / "f", "two", 0644).ok());
  EXPECT_EQ(*read_file(base_ / "f", 100), "two");
  ASSERT_EQ(::unlink((base_ / "f").c_str()), 0);
  EXPECT_EQ(::rmdir(base_.path().c_str()), 0) << "a temporary file was left";
  ASSERT_EQ(::mkdir(base_.path().c_str(), 0700), 0);
}

TEST_F(Files, AnAtomicWriteThatFailsKeepsTheOldText) {
  ASSERT_EQ(::mkdir((base_ / "d").c_str(), 0700), 0);
  ASSERT_FALSE(write_file_atomic(base_ / "d", "x", 0600).ok());  // rename over a directory
  EXPECT_EQ(::rmdir((base_ / "d").c_str()), 0);
}

TEST_F(Files, ALockHeldElsewhereTimesOutAndIsFreedByDeath) {
  Result<Fd> dir = open_path(base_.path(), O_PATH | O_DIRECTORY);
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const Result<Fd> lock = lock_file_at(dir->get(), "lock", 1000);
    (void)!::write(ready[1], lock.ok() ? "y" : "n", 1);
    (void)::pause();
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  const Result<Fd> held = lock_file_at(dir->get(), "lock", 30);
  ASSERT_FALSE(held.ok());
  EXPECT_EQ(held.error().sys_errno, ETIMEDOUT);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(lock_file_at(dir->get(), "lock", 1000).ok());
  (void)::close(ready[0]);
  (void)::close(ready[1]);
}

}  // namespace
}  // namespace gabion
