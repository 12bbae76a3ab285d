#include "container/copy_up.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "base/file.h"
#include "base/path.h"

namespace gabion::container {
namespace {

class CopyUp : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/gabion-copy-up.XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    path_ = name;
    ASSERT_EQ(::mkdir(at("from").c_str(), 0751), 0);
    ASSERT_EQ(::mkdir(at("to").c_str(), 0700), 0);
    from_ = open_path(at("from"), O_RDONLY | O_DIRECTORY).value();
    to_ = open_path(at("to"), O_PATH | O_DIRECTORY).value();
  }
  // Also what is too deep for remove_tree().
  void TearDown() override {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
    EXPECT_FALSE(error) << error.message();
  }

  [[nodiscard]] std::string at(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] Status copy() const { return copy_up(from_.get(), to_.get()); }
  [[nodiscard]] struct stat look(const std::string& name) const {
    struct stat info {};
    EXPECT_EQ(::lstat(at(name).c_str(), &info), 0) << name;
    return info;
  }

  std::string path_;
  Fd from_;
  Fd to_;
};

TEST_F(CopyUp, KeepsContentModesAndTimes) {
  const std::string text(200'000, 'x');
  ASSERT_TRUE(write_file_atomic(at("from/file"), text, 0640).ok());
  ASSERT_EQ(::chmod(at("from/file").c_str(), 04711), 0);
  const timespec times[2] = {{1000, 0}, {2000, 5}};
  ASSERT_EQ(::utimensat(AT_FDCWD, at("from/file").c_str(), times, 0), 0);
  ASSERT_EQ(::mkdir(at("from/dir").c_str(), 0700), 0);
  ASSERT_EQ(::chmod(at("from/dir").c_str(), 01777), 0);
  ASSERT_TRUE(write_file_atomic(at("from/dir/inner"), "y", 0600).ok());
  const Status done = copy();
  ASSERT_TRUE(done.ok()) << done.error().message();
  EXPECT_EQ(read_file(at("to/file"), 1 << 20).value(), text);
  EXPECT_EQ(read_file(at("to/dir/inner"), 16).value(), "y");
  EXPECT_EQ(look("to/file").st_mode & 07777, 04711U);
  EXPECT_EQ(look("to/file").st_mtim.tv_sec, 2000);
  EXPECT_EQ(look("to/dir").st_mode & 07777, 01777U);
  EXPECT_EQ(look("to").st_mode & 07777, 0751U);
}

TEST_F(CopyUp, FollowsNoLinkAndWaitsForNothing) {
  ASSERT_EQ(::symlink("/etc/shadow", at("from/link").c_str()), 0);
  ASSERT_EQ(::symlink("..", at("from/up").c_str()), 0);
  ASSERT_EQ(::mkfifo(at("from/fifo").c_str(), 0600), 0);
  ASSERT_TRUE(copy().ok());
  EXPECT_TRUE(S_ISLNK(look("to/link").st_mode));
  EXPECT_TRUE(S_ISLNK(look("to/up").st_mode));
  EXPECT_TRUE(S_ISFIFO(look("to/fifo").st_mode));
}

TEST_F(CopyUp, BoundsItsDepth) {
  std::string name = "from";
  for (int i = 0; i < 70; ++i) {
    name += "/d";
    ASSERT_EQ(::mkdir(at(name).c_str(), 0700), 0);
  }
  const Status done = copy();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, Code::kInvalid);
}

TEST_F(CopyUp, RefusesADeviceNode) {
  if (::mknod(at("from/null").c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0) GTEST_SKIP() << "needs root";
  const Status done = copy();
  ASSERT_FALSE(done.ok());
  EXPECT_NE(done.error().message().find("null is a device node"), std::string::npos);
}

}  // namespace
}  // namespace gabion::container
