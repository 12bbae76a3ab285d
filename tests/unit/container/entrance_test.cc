// The conversation of a runtime with the process it puts into a container: every place where one may end.
#include "container/entrance.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "container/foreground.h"

namespace gabion::container {
namespace {

Error execute(const std::string& program) {
  (void)::execl(program.c_str(), program.c_str(), nullptr);
  return sys_error("exec " + program);
}

Entrance::Steps steps() {
  return {.outside = [] { return std::vector<int>(); },
          .preserve_fds = 0,
          .inside = [] { return ok_status(); },
          .execute = [](pid_t) { return execute("/bin/true"); }};
}

class Entering : public ::testing::Test {
 protected:
  void SetUp() override {
    auto entrance = Entrance::open();
    ASSERT_TRUE(entrance.ok());
    entrance_ = std::move(entrance).value();
  }

  // The error of enter(); no process may be left of it.
  Error refused(const Entrance::Steps& how) {
    const auto child = entrance_->enter(how, -1);
    EXPECT_FALSE(child.ok());
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
    return child.ok() ? Error() : child.error();
  }

  std::unique_ptr<Entrance> entrance_;
};

TEST_F(Entering, TheProgramRunsAfterTheCommit) {
  const auto child = entrance_->enter(steps(), -1);
  ASSERT_TRUE(child.ok()) << child.error().message();
  ::usleep(20000);
  EXPECT_EQ(::waitpid(child->pid, nullptr, WNOHANG), 0) << "it waits";
  EXPECT_TRUE(entrance_->commit().ok());
  EXPECT_EQ(reap(child->pid).value(), 0);
}

TEST_F(Entering, TheProcessKnowsThePidOfTheHost) {
  Entrance::Steps how = steps();
  how.execute = [](pid_t pid) {
    ::_exit(pid == ::getpid() ? 7 : 8);
    return Error();
  };
  const auto child = entrance_->enter(how, -1);
  ASSERT_TRUE(child.ok());
  (void)entrance_->commit();
  EXPECT_EQ(reap(child->pid).value(), 7);
}

TEST_F(Entering, ErrorsOfEachStepAreTheCallers) {
  Entrance::Steps how = steps();
  how.outside = []() -> Result<std::vector<int>> { return Error{Code::kRefused, EPERM, "outside"}; };
  Error error = refused(how);
  EXPECT_EQ(error.context, "outside");
  EXPECT_EQ(error.code, Code::kRefused);
  EXPECT_EQ(error.sys_errno, EPERM);
}

TEST_F(Entering, AnErrorInsideIsTheCallers) {
  Entrance::Steps how = steps();
  how.inside = []() -> Status { return make_error(Code::kNotFound, std::string(5000, 'x')); };
  const Error error = refused(how);
  EXPECT_EQ(error.code, Code::kNotFound);
  EXPECT_EQ(error.context, std::string(2048, 'x'));
}

TEST_F(Entering, AProgramThatIsNotThereIsTheCommitsError) {
  Entrance::Steps how = steps();
  how.execute = [](pid_t) { return execute("/nonexistent"); };
  const auto child = entrance_->enter(how, -1);
  ASSERT_TRUE(child.ok());
  const Status done = entrance_->commit();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().sys_errno, ENOENT);
  EXPECT_EQ(reap(child->pid).value(), 1);
}

TEST_F(Entering, DeathsAreErrorsAndNotWaits) {
  auto die = []() -> Status {
    (void)::raise(SIGKILL);
    return ok_status();
  };
  Entrance::Steps how = steps();
  how.outside = [&]() -> Result<std::vector<int>> {
    TRY(die());
    return std::vector<int>();
  };
  EXPECT_EQ(refused(how).code, Code::kInternal);
  how = steps();
  how.inside = die;
  EXPECT_EQ(refused(how).code, Code::kInternal);
}

TEST_F(Entering, ADeathBeforeTheCommitIsItsError) {
  const auto child = entrance_->enter(steps(), -1);
  ASSERT_TRUE(child.ok());
  ASSERT_EQ(::kill(child->pid, SIGKILL), 0);
  EXPECT_EQ(reap(child->pid).value(), 128 + SIGKILL);
  EXPECT_FALSE(entrance_->commit().ok());
}

// As a process of the container stops it with kill(-1, SIGSTOP).
TEST_F(Entering, AProcessThatIsStoppedIsNotWaitedForAndEnds) {
  Entrance::Steps how = steps();
  how.patience_ms = 200;
  how.inside = []() -> Status {
    (void)::raise(SIGSTOP);
    return ok_status();
  };
  const Error error = refused(how);
  EXPECT_EQ(error.code, Code::kWrongState);
  EXPECT_NE(error.context.find("stopped it"), std::string::npos) << error.context;
}

TEST_F(Entering, NorIsAGoBetweenThatIsStopped) {
  Entrance::Steps how = steps();
  how.patience_ms = 200;
  how.outside = []() -> Result<std::vector<int>> {
    (void)::raise(SIGSTOP);
    return std::vector<int>();
  };
  EXPECT_EQ(refused(how).code, Code::kWrongState);
}

TEST_F(Entering, AProcessThatIsStoppedAfterTheCommitIsNotWaitedFor) {
  Entrance::Steps how = steps();
  how.patience_ms = 200;
  how.execute = [](pid_t) {
    (void)::raise(SIGSTOP);
    return Error();
  };
  const auto child = entrance_->enter(how, -1);
  ASSERT_TRUE(child.ok());
  const Status done = entrance_->commit();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, Code::kWrongState);
  put_down(*child);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
}

// What the process shares with the runtime is as a container that has taken it over makes it: all of its
// pages are written over, but for the words it says its state with, which end what the runtime waits for.
class Hostile : public Entering {
 protected:
  static void overwrite(unsigned char with, bool died) {
    FILE* maps = ::fopen("/proc/self/maps", "re");
    char line[512];
    while (maps != nullptr && ::fgets(line, sizeof(line), maps) != nullptr) {
      unsigned long start = 0;
      unsigned long end = 0;
      if (::strstr(line, " rw-s ") == nullptr || ::sscanf(line, "%lx-%lx", &start, &end) != 2) continue;
      auto* page = reinterpret_cast<unsigned char*>(start);
      constexpr size_t kWords = 3 * sizeof(kernel::RobustWord);
      ::memset(page + kWords, with, end - start - kWords);
      if (died) {
        const uint32_t word = FUTEX_OWNER_DIED;
        ::memcpy(page + sizeof(kernel::RobustWord), &word, sizeof(word));
      }
    }
    if (maps != nullptr) (void)::fclose(maps);
  }
};

TEST_F(Hostile, WhoTheProcessIsStaysTheGoBetweensWord) {
  Entrance::Steps how = steps();
  how.inside = []() -> Status {
    overwrite(0, false);
    return ok_status();
  };
  const auto child = entrance_->enter(how, -1);
  ASSERT_TRUE(child.ok()) << child.error().message();
  EXPECT_GT(child->pid, 0);
  put_down(*child);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "it was not the child";
}

TEST_F(Hostile, WhatItSaysOfItsFailureIsOneLineAndNoRefusal) {
  for (int with = 0; with < 256; ++with) {
    SetUp();
    Entrance::Steps how = steps();
    how.inside = [with]() -> Status {
      overwrite(static_cast<unsigned char>(with), true);
      ::pause();
      return ok_status();
    };
    const Error error = refused(how);
    EXPECT_LE(error.context.size(), 2048U);
    EXPECT_EQ(error.context.find_first_of(std::string("\0\n\r\033", 4)), std::string::npos) << with;
    EXPECT_GE(error.sys_errno, 0);
    EXPECT_LT(error.sys_errno, 4096);
    EXPECT_EQ(error.code, Code::kInternal);
  }
}

TEST_F(Hostile, NoRefusalIsItsToTell) {
  Entrance::Steps how = steps();
  how.inside = []() -> Status { return make_error(Code::kRefused, "by policy"); };
  EXPECT_EQ(refused(how).code, Code::kInternal);
}

TEST_F(Entering, TheProcessHoldsNothingButWhatItMay) {
  const Fd leaked(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  const Fd kept(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  Entrance::Steps how = steps();
  how.outside = [&] { return std::vector<int>{kept.get(), -1}; };
  const auto child = entrance_->enter(how, -1);
  ASSERT_TRUE(child.ok());
  DIR* directory = ::opendir(("/proc/" + std::to_string(child->pid) + "/fd").c_str());
  ASSERT_NE(directory, nullptr);
  std::vector<int> open;
  while (const dirent* entry = ::readdir(directory)) {
    const int fd = ::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd > 2) open.push_back(fd);
  }
  (void)::closedir(directory);
  EXPECT_EQ(open, std::vector<int>{kept.get()});
  EXPECT_TRUE(entrance_->commit().ok());
  EXPECT_EQ(reap(child->pid).value(), 0);
}

// In a process of its own that becomes the reaper of what is left of the runtime.
TEST_F(Entering, AProcessThatWaitsEndsWithTheRuntime) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t runtime = ::fork();
  if (runtime == 0) {
    auto entrance = Entrance::open();
    const auto child = entrance.value()->enter(steps(), -1);
    const pid_t pid = child.ok() ? child->pid : 0;
    (void)!::write(ends[1], &pid, sizeof(pid));
    ::_exit(0);
  }
  pid_t waiting = 0;
  ASSERT_EQ(::read(ends[0], &waiting, sizeof(waiting)), static_cast<ssize_t>(sizeof(waiting)));
  ASSERT_GT(waiting, 0);
  EXPECT_EQ(reap(runtime).value(), 0);
  for (int i = 0; i < 500 && ::kill(waiting, 0) == 0; ++i) ::usleep(10000);
  EXPECT_EQ(::kill(waiting, 0), -1) << "it still runs";
}

}  // namespace
}  // namespace gabion::container
