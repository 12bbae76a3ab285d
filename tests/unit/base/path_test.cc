#include "base/path.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/support/scratch.h"

namespace gabion {
namespace {

TEST(CleanPath, AgreesWithGo) {
  EXPECT_EQ(clean_path("/../../etc"), "/etc");
  EXPECT_EQ(clean_path("a/../../b"), "../b");
  EXPECT_EQ(clean_path("//a/./b/"), "/a/b");
  EXPECT_EQ(clean_path(""), ".");
  EXPECT_EQ(clean_path("/"), "/");
  EXPECT_EQ(clean_path("a/.."), ".");
}

TEST(PathIsWithin, ComparesWholeComponents) {
  EXPECT_TRUE(path_is_within("/etc/x", "/etc"));
  EXPECT_TRUE(path_is_within("/etc", "/etc"));
  EXPECT_FALSE(path_is_within("/etcetera", "/etc"));
  EXPECT_TRUE(path_is_within("/x", "/"));
}

TEST(IsEmptyDirectory, SeesHiddenFilesAndTakesAnOPathDescriptor) {
  const tests::Scratch scratch;
  const Result<Fd> dir = open_path(scratch.path(), O_PATH | O_DIRECTORY);
  ASSERT_TRUE(dir.ok());
  EXPECT_TRUE(is_empty_directory(dir->get()));
  ASSERT_TRUE(write_file_atomic(scratch / ".hidden", "", 0600).ok());
  EXPECT_FALSE(is_empty_directory(dir->get()));
  EXPECT_FALSE(is_empty_directory(-1)) << "what cannot be read is not empty";
}

// A root with links that lead out of it, and a canary outside.
class InRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    root_path_ = base_ / "root";
    ASSERT_EQ(::mkdir(root_path_.c_str(), 0755), 0);
    ASSERT_EQ(::mkdir((base_ / "outside").c_str(), 0755), 0);
    ASSERT_EQ(::symlink("../outside", (root_path_ + "/up").c_str()), 0);
    ASSERT_EQ(::symlink((base_ / "outside").c_str(), (root_path_ + "/abs").c_str()), 0);
    ASSERT_EQ(::symlink("/inside", (root_path_ + "/in").c_str()), 0);
    Result<Fd> root = open_path(root_path_, O_PATH | O_DIRECTORY);
    ASSERT_TRUE(root.ok());
    root_ = std::move(root).value();
  }

  [[nodiscard]] bool outside_is_empty() const { return ::rmdir((base_ / "outside").c_str()) == 0; }

  const tests::Scratch base_;
  std::string root_path_;
  Fd root_;
};

TEST_F(InRoot, LinksNeverLeadOut) {
  ASSERT_TRUE(make_in_root(root_.get(), "/up/a/b", NodeKind::kDirectory).ok() ||
              make_in_root(root_.get(), "/up/a/b", NodeKind::kDirectory).error().sys_errno == ENOENT);
  (void)make_in_root(root_.get(), "/abs/file", NodeKind::kFile);
  (void)make_in_root(root_.get(), "/../../outside/file", NodeKind::kFile);
  EXPECT_TRUE(outside_is_empty());
}

TEST_F(InRoot, AbsoluteLinksStartAtTheRoot) {
  ASSERT_EQ(::mkdir((root_path_ + "/inside").c_str(), 0755), 0);
  ASSERT_TRUE(make_in_root(root_.get(), "/in/file", NodeKind::kFile).ok());
  EXPECT_EQ(::access((root_path_ + "/inside/file").c_str(), F_OK), 0);
}

TEST_F(InRoot, FixedPlacesTakeNoLinks) {
  const Result<Fd> fd = make_in_root(root_.get(), "/in/x", NodeKind::kDirectory, Links::kNone);
  ASSERT_FALSE(fd.ok());
  EXPECT_NE(fd.error().message().find("symbolic link"), std::string::npos) << fd.error().message();
}

TEST_F(InRoot, MagicLinksAreRefused) {
  ASSERT_EQ(::symlink("/proc/self/root", (root_path_ + "/magic").c_str()), 0);
  EXPECT_FALSE(open_in_root(root_.get(), "/magic/etc", O_PATH).ok());
}

TEST_F(InRoot, KindsMustAgree) {
  ASSERT_TRUE(make_in_root(root_.get(), "/d", NodeKind::kDirectory).ok());
  const Result<Fd> fd = make_in_root(root_.get(), "/d", NodeKind::kFile);
  ASSERT_FALSE(fd.ok());
  EXPECT_NE(fd.error().message().find("is a directory"), std::string::npos);
}

TEST_F(InRoot, RemoveTreeDoesNotFollowLinks) {
  ASSERT_TRUE(write_file_atomic(base_ / "outside/canary", "x", 0600).ok());
  ASSERT_TRUE(remove_tree(root_path_).ok());
  EXPECT_EQ(::access((base_ / "outside/canary").c_str(), F_OK), 0);
  EXPECT_NE(::access(root_path_.c_str(), F_OK), 0);
}

TEST_F(InRoot, RemoveTreeOfNothingIsFine) { EXPECT_TRUE(remove_tree(base_ / "absent").ok()); }

}  // namespace
}  // namespace gabion
