// What an attempt's error says of a question.
#include "probe/child.h"

#include <errno.h>
#include <gtest/gtest.h>

namespace gabion::probe {
namespace {

TEST(Tried, OnlyARefusalCloses) {
  EXPECT_TRUE(tried("g", "n", 1, 0).open);
  for (const int refusal : {EPERM, EACCES, ENOSYS, ENOENT, ENOSPC, EAFNOSUPPORT, EROFS, -1, 255})
    EXPECT_FALSE(tried("g", "n", 1, refusal).open) << refusal;
  EXPECT_EQ(tried("g", "n", 1, EPERM).detail, "EPERM");
}

TEST(Tried, WantOfMeansIsNoAnswer) {
  for (const int want : {EMFILE, ENFILE, ENOMEM, EAGAIN}) {
    const Check check = tried("g", "n", 1, want);
    EXPECT_TRUE(check.open) << want;
    EXPECT_TRUE(check.detail.starts_with(kNotMeasured)) << check.detail;
  }
}

TEST(Tried, AListOfThingsHasWhatCouldNotBeTried) {
  std::string open;
  add_if_open(open, "/a", EPERM);
  EXPECT_EQ(open, "");
  add_if_open(open, "/b", 0);
  add_if_open(open, "/c", EMFILE);
  EXPECT_EQ(open, "/b /c (not measured)");
}

}  // namespace
}  // namespace gabion::probe
