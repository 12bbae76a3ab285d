// What Landlock denies and what it leaves, each right for itself, on the kernel that runs this.
#include "kernel/landlock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "base/path.h"
#include "tests/support/scratch.h"

namespace gabion::kernel::landlock::test {
namespace {

constexpr int kNoRuleset = 200;  // of a child whose domain could not be made

// One right, an act that needs it, and an act's errno when it is missing (0 when it is held).
struct Act {
  const char* name;
  Access right;
  std::function<int(const std::string& directory)> act;  // 0 or errno
  int since;                                             // ABI
};

int answer(long result) { return result < 0 ? errno : 0; }

int open_and_close(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (fd < 0) return errno;
  ::close(fd);
  return 0;
}

int execute(const std::string& path) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execl(path.c_str(), "true", nullptr);
    ::_exit(errno);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : EFAULT;
}

int control_device(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  int size = 0;
  const int result = answer(::ioctl(fd, RNDGETENTCNT, &size));
  ::close(fd);
  return result;
}

const std::vector<Act>& acts() {
  static const std::vector<Act> kActs = {
      {"execute", kExecute, [](const auto& d) { return execute(d + "/program"); }, 1},
      {"write_file", kWriteFile, [](const auto& d) { return open_and_close(d + "/file", O_WRONLY); }, 1},
      {"read_file", kReadFile, [](const auto& d) { return open_and_close(d + "/file", O_RDONLY); }, 1},
      {"read_dir", kReadDirectory, [](const auto& d) { return open_and_close(d, O_RDONLY | O_DIRECTORY); },
       1},
      {"remove_dir", kRemoveDirectory, [](const auto& d) { return answer(::rmdir((d + "/empty").c_str())); },
       1},
      {"remove_file", kRemoveFile, [](const auto& d) { return answer(::unlink((d + "/file").c_str())); }, 1},
      {"make_char", kMakeCharacterDevice,
       [](const auto& d) { return answer(::mknod((d + "/new").c_str(), S_IFCHR | 0600, makedev(1, 3))); }, 1},
      {"make_dir", kMakeDirectory, [](const auto& d) { return answer(::mkdir((d + "/new").c_str(), 0700)); },
       1},
      {"make_reg", kMakeRegularFile,
       [](const auto& d) { return answer(::mknod((d + "/new").c_str(), S_IFREG | 0600, 0)); }, 1},
      {"make_sock", kMakeSocket,
       [](const auto& d) { return answer(::mknod((d + "/new").c_str(), S_IFSOCK | 0600, 0)); }, 1},
      {"make_fifo", kMakeFifo, [](const auto& d) { return answer(::mkfifo((d + "/new").c_str(), 0600)); }, 1},
      {"make_block", kMakeBlockDevice,
       [](const auto& d) { return answer(::mknod((d + "/new").c_str(), S_IFBLK | 0600, makedev(7, 0))); }, 1},
      {"make_sym", kMakeSymbolicLink,
       [](const auto& d) { return answer(::symlink("file", (d + "/new").c_str())); }, 1},
      {"truncate", kTruncate, [](const auto& d) { return answer(::truncate((d + "/file").c_str(), 0)); }, 3},
      {"ioctl_dev", kIoctlDev, [](const auto& d) { return control_device(d + "/device"); }, 5},
  };
  return kActs;
}

class LandlockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    const Result<int> version = landlock::abi();
    if (!version.ok()) GTEST_SKIP() << version.error().message();
    abi_ = *version;
  }

  // A directory with something for each act.
  void fill(const std::string& directory) {
    ASSERT_EQ(::mkdir((directory + "/empty").c_str(), 0700), 0);
    ASSERT_EQ(open_and_close(directory + "/file", O_WRONLY | O_CREAT), 0);
    ASSERT_EQ(::mknod((directory + "/device").c_str(), S_IFCHR | 0600, makedev(1, 8)), 0) << "/dev/random";
    ASSERT_EQ(::system(("cp /bin/busybox " + directory + "/program").c_str()), 0)
        << "a static program: its loader would need a right of its own";
  }

  // What `act` answers in a child that holds `granted` of `handled` below `directory`.
  static int confined(int abi, Access handled, Access granted, const std::string& directory,
                      const std::function<int()>& act) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      Result<Ruleset> made = Ruleset::make(handled, 0, abi);
      const Result<Fd> fd = open_path(directory, O_PATH);
      if (!made.ok() || !fd.ok() || !made->allow(fd->get(), granted).ok()) ::_exit(kNoRuleset);
      const Fd ruleset = std::move(*made).take();
      if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) ::_exit(kNoRuleset);
      if (!restrict_self(ruleset.get()).ok()) ::_exit(kNoRuleset);
      ::_exit(act());
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EFAULT;
  }

  int abi_ = 0;
};

TEST_F(LandlockTest, EachRightIsNeededAndEnough) {
  for (const Act& act : acts()) {
    if (act.since > abi_) {
      GTEST_LOG_(INFO) << act.name << ": not in ABI " << abi_;
      continue;
    }
    const tests::Scratch without;
    fill(without.path());
    const int denied =
        confined(abi_, kAll, kAll & ~act.right, without.path(), [&] { return act.act(without.path()); });
    EXPECT_EQ(denied, EACCES) << act.name << " not held";
    const tests::Scratch with;
    fill(with.path());
    // A program and a device are read as well.
    const bool reads = act.right == kExecute || act.right == kIoctlDev;
    const Access granted = act.right | (reads ? kReadFile : 0);
    EXPECT_EQ(confined(abi_, kAll, granted, with.path(), [&] { return act.act(with.path()); }), 0)
        << act.name << " held";
  }
}

TEST_F(LandlockTest, MovingBetweenDirectoriesNeedsRefer) {
  if (abi_ < 2) GTEST_SKIP() << "ABI " << abi_ << " always denies it";
  for (const bool held : {false, true}) {
    const tests::Scratch scratch;
    fill(scratch.path());
    const Access granted = kAll & ~(held ? 0 : kRefer);
    const int result = confined(abi_, kAll, granted, scratch.path(), [&] {
      return answer(::rename((scratch.path() + "/file").c_str(), (scratch.path() + "/empty/file").c_str()));
    });
    EXPECT_EQ(result, held ? 0 : EXDEV);
  }
}

TEST_F(LandlockTest, AnOlderAbiLeavesWhatItDoesNotKnow) {
  if (abi_ < 3) GTEST_SKIP() << "ABI " << abi_ << " is the older one";
  const tests::Scratch scratch;
  fill(scratch.path());
  const auto shorten = [&] { return answer(::truncate((scratch.path() + "/file").c_str(), 0)); };
  EXPECT_EQ(confined(2, kAll, kRead, scratch.path(), shorten), 0) << "as a kernel of ABI 2 has it";
  EXPECT_EQ(confined(abi_, kAll, kRead, scratch.path(), shorten), EACCES);
  const auto write = [&] { return open_and_close(scratch.path() + "/file", O_WRONLY); };
  EXPECT_EQ(confined(2, kAll, kRead, scratch.path(), write), EACCES) << "what it knows is held";
}

TEST_F(LandlockTest, WhatIsRequiredAndUnknownIsAnError) {
  const Result<Ruleset> made = Ruleset::make(kAll, kExecute | kTruncate | kIoctlDev, 2);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, Code::kUnsupported);
  EXPECT_NE(made.error().message().find("ABI 2"), std::string::npos) << made.error().message();
  EXPECT_NE(made.error().message().find("truncate ioctl_dev"), std::string::npos) << made.error().message();
  EXPECT_EQ(made.error().message().find("execute"), std::string::npos) << "it has that one";
}

TEST_F(LandlockTest, ARuleForAFileLeavesOutWhatIsOfDirectories) {
  const tests::Scratch scratch;
  fill(scratch.path());
  const std::string file = scratch.path() + "/file";
  EXPECT_EQ(confined(abi_, kAll, kAll, file, [&] { return open_and_close(file, O_RDWR); }), 0);
  EXPECT_EQ(confined(abi_, kAll, kAll, file, [&] { return answer(::unlink(file.c_str())); }), EACCES);
}

TEST_F(LandlockTest, GoesOnInWhatIsExecuted) {
  const tests::Scratch scratch;
  fill(scratch.path());
  const int status = confined(abi_, kAll, kRead | kExecute, scratch.path(), [&] {
    ::execl((scratch.path() + "/program").c_str(), "touch", (scratch.path() + "/new").c_str(), nullptr);
    return kNoRuleset;
  });
  EXPECT_EQ(status, 1) << "touch ran and failed";
  EXPECT_NE(::access((scratch.path() + "/new").c_str(), F_OK), 0);
}

TEST(KnownRights, GrowWithTheAbi) {
  EXPECT_EQ(known_rights(0), 0U);
  EXPECT_EQ(known_rights(1) & (kRefer | kTruncate | kIoctlDev), 0U);
  EXPECT_EQ(known_rights(2), known_rights(1) | kRefer);
  EXPECT_EQ(known_rights(3), known_rights(2) | kTruncate);
  EXPECT_EQ(known_rights(4), known_rights(3)) << "TCP is no right of files";
  EXPECT_EQ(known_rights(5), kAll);
  EXPECT_EQ(known_rights(99), kAll) << "newer kernels keep what there was";
  EXPECT_EQ(right_names(kExecute | kMakeSymbolicLink | kIoctlDev), "execute make_sym ioctl_dev");
}

}  // namespace
}  // namespace gabion::kernel::landlock::test
