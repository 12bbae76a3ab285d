#include "node/trial.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "node/slots.h"
#include "tests/support/scratch.h"

namespace gabion::node {
namespace {

TEST(Trial, TheChildsAnswerIsTheValue) {
  EXPECT_TRUE(in_child([]() { return ok_status(); }).ok());
  const Status refused = in_child([]() -> Status { return sys_error("here", EXDEV); });
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().sys_errno, EXDEV);
  EXPECT_EQ(refused.error().code, Code::kSystem);
  EXPECT_EQ(refused.error().context, "here");
}

TEST(Trial, AChildThatDiesHasNoAnswer) {
  const Status died = in_child([]() -> Status {
    (void)::raise(SIGKILL);
    return ok_status();
  });
  ASSERT_FALSE(died.ok());
  EXPECT_EQ(died.error().code, Code::kInternal);
}

TEST(Trial, APidNamespaceHasItsOwnFirstProcess) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const Status first = in_pid_namespace([]() -> Status {
    return ::getpid() == 1 ? ok_status() : Status(make_error(Code::kInternal, "not the first"));
  });
  EXPECT_TRUE(first.ok()) << first.error().message();
}

TEST(Trial, AChildOnItsOwnHearsNoSignal) {
  const Status deaf = in_child(
      []() -> Status {
        (void)::raise(SIGTERM);
        return ok_status();
      },
      Ending::kOnItsOwn);
  EXPECT_TRUE(deaf.ok());
}

TEST(Trial, ATemporaryDirectoryLeavesNothing) {
  const tests::Scratch scratch;
  {
    const Result<TemporaryDirectory> directory = TemporaryDirectory::make(scratch.path());
    ASSERT_TRUE(directory.ok());
    EXPECT_EQ(names_in(scratch.path()).size(), 1U);
  }
  EXPECT_TRUE(names_in(scratch.path()).empty());
  EXPECT_FALSE(TemporaryDirectory::make(scratch.path() + "/none").ok());
}

TEST(Slots, AnOwnerThatIsGoneMakesAnOrphan) {
  const tests::Scratch scratch;
  const std::string registry = scratch.path() + "/ids";
  ASSERT_EQ(::mkdir(registry.c_str(), 0700), 0);
  ASSERT_EQ(::symlink(scratch.path().c_str(), (registry + "/65536").c_str()), 0);
  ASSERT_EQ(::symlink((scratch.path() + "/gone").c_str(), (registry + "/131072").c_str()), 0);
  ASSERT_EQ(::mkdir((registry + "/.lock").c_str(), 0700), 0);
  const std::vector<Slot> slots = read_slots(registry);
  ASSERT_EQ(slots.size(), 2U);
  EXPECT_EQ(slots[0].name, "131072");
  EXPECT_TRUE(slots[0].orphan);
  EXPECT_EQ(slots[1].owner, scratch.path());
  EXPECT_FALSE(slots[1].orphan);
  EXPECT_TRUE(read_slots(scratch.path() + "/none").empty());
}

}  // namespace
}  // namespace gabion::node
