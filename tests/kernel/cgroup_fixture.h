// A group of its own for each test, removed afterwards, and real children in it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/path.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_group.h"

namespace gabion::kernel::test {

class CgroupFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    if (::access("/sys/fs/cgroup", W_OK) != 0) GTEST_SKIP() << "needs a writable /sys/fs/cgroup";
    static int counter = 0;
    top_ = "/gabion-test-" + std::to_string(::getpid()) + "-" + std::to_string(++counter);
  }

  void TearDown() override {
    if (top_.empty()) return;
    // The top is where every path of a test begins, so its removal takes the rest along.
    Result<CgroupLocation> location = Cgroup::locate(top_, "unused");
    ASSERT_TRUE(location.ok());
    Cgroup group = Cgroup::open(*location);
    const Status killed = group.kill_all(10'000);
    EXPECT_TRUE(killed.ok()) << killed.error().message();
    for (pid_t pid : children_) (void)::waitpid(pid, nullptr, 0);
    const Status removed = group.remove();
    EXPECT_TRUE(removed.ok()) << removed.error().message();
  }

  CgroupLocation location(const std::string& below = "/box") {
    Result<CgroupLocation> found = Cgroup::locate(top_ + below, "unused");
    EXPECT_TRUE(found.ok());
    return found.ok() ? *found : CgroupLocation{};
  }

  // The cgroup2 directory alone, as on a v2 host; empty without one.
  CgroupLocation unified_location(const std::string& below = "/box") {
    CgroupLocation only;
    for (const auto& entry : location(below).directories) {
      if (entry.first == kUnified) only.directories.push_back(entry);
    }
    return only;
  }

  CgroupLocation v1_location(const std::string& below = "/box") {
    CgroupLocation only;
    for (const auto& entry : location(below).directories) {
      if (entry.first != kUnified) only.directories.push_back(entry);
    }
    return only;
  }

  static std::string directory(const CgroupLocation& location, std::string_view controller) {
    Group group(location);
    GroupDirectory* found = group.find(controller);
    return found == nullptr ? "" : found->path();
  }

  static std::string value(const CgroupLocation& location, std::string_view controller,
                           const std::string& file) {
    const Result<std::string> text = read_file(directory(location, controller) + "/" + file, 1 << 20);
    if (!text.ok()) return text.error().message();
    return text->empty() ? "" : text->substr(0, text->size() - 1);
  }

  // Forks a child that joins `cgroup`, runs `body` and exits with its value.
  template <typename Body>
  pid_t spawn(const Cgroup& cgroup, Body body) {
    const Result<std::vector<Fd>> procs = cgroup.open_procs();
    EXPECT_TRUE(procs.ok()) << (procs.ok() ? "" : procs.error().message());
    if (!procs.ok()) return -1;
    int ready[2];
    EXPECT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      for (const Fd& file : *procs) {
        if (::write(file.get(), "0", 1) != 1) ::_exit(99);
      }
      if (::write(ready[1], "x", 1) != 1) ::_exit(98);
      ::_exit(body());
    }
    ::close(ready[1]);
    char word = 0;
    EXPECT_EQ(::read(ready[0], &word, 1), 1) << "the child could not join";
    ::close(ready[0]);
    children_.push_back(pid);
    return pid;
  }

  pid_t spawn_sleeper(const Cgroup& cgroup) {
    return spawn(cgroup, [] {
      while (true) ::pause();
      return 0;
    });
  }

  // The exit code; 128 + N for a signal.
  int wait_for(pid_t pid) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    std::erase(children_, pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  // 64 MiB, touched.
  static int eat_memory() {
    constexpr size_t kSize = size_t{64} << 20;
    void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    auto* bytes = static_cast<volatile char*>(memory);
    for (size_t at = 0; at < kSize; at += 4096) bytes[at] = 1;
    return 0;
  }

  std::string top_;
  std::vector<pid_t> children_;
};

#define ASSERT_OK(expression)                                   \
  do {                                                          \
    const auto& ok_result = (expression);                       \
    ASSERT_TRUE(ok_result.ok()) << ok_result.error().message(); \
  } while (false)

#define SKIP_UNLESS(controller)                                                              \
  do {                                                                                       \
    if (directory(location(), controller).empty()) GTEST_SKIP() << "no " controller " here"; \
  } while (false)

}  // namespace gabion::kernel::test
