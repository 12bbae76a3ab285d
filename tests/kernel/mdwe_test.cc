// Memory that was writable does not become executable: before, and after.
#include "kernel/mdwe.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

namespace gabion::kernel::test {
namespace {

constexpr size_t kPage = 4096;

int map_both() {
  const int access = PROT_READ | PROT_WRITE | PROT_EXEC;
  return ::mmap(nullptr, kPage, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

int write_then_execute() {
  void* memory = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno;
  return ::mprotect(memory, kPage, PROT_READ | PROT_EXEC) != 0 ? errno : 0;
}

int execute_only() {
  return ::mmap(nullptr, kPage, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
             ? errno
             : 0;
}

int in_child(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : EFAULT;
}

int refusing(const std::function<int()>& act) {
  return in_child([&] { return refuse_exec_gain().ok() ? act() : ENOTSUP; });
}

class MdweTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const Status able = check_mdwe();
    if (!able.ok()) GTEST_SKIP() << able.error().message();
  }
};

TEST_F(MdweTest, RefusesWhatWasAllowed) {
  EXPECT_EQ(in_child(map_both), 0);
  EXPECT_EQ(in_child(write_then_execute), 0);
  EXPECT_EQ(refusing(map_both), EACCES);
  EXPECT_EQ(refusing(write_then_execute), EACCES);
}

TEST_F(MdweTest, LeavesMemoryThatNeverWasWritable) { EXPECT_EQ(refusing(execute_only), 0); }

TEST_F(MdweTest, IsInheritedByChildren) {
  EXPECT_EQ(refusing([] { return in_child(write_then_execute); }), EACCES);
}

}  // namespace
}  // namespace gabion::kernel::test
