#include "shim/cli/signals.h"

#include <gtest/gtest.h>

#include <csignal>

namespace gabion::cli {
namespace {

TEST(Signals, NamesAndNumbers) {
  EXPECT_EQ(parse_signal("KILL").value(), SIGKILL);
  EXPECT_EQ(parse_signal("SIGKILL").value(), SIGKILL);
  EXPECT_EQ(parse_signal("sigkill").value(), SIGKILL);
  EXPECT_EQ(parse_signal("Term").value(), SIGTERM);
  EXPECT_EQ(parse_signal("USR1").value(), SIGUSR1);
  EXPECT_EQ(parse_signal("9").value(), 9);
  EXPECT_EQ(parse_signal("0").value(), 0);
  EXPECT_EQ(parse_signal("64").value(), 64);
}

TEST(Signals, RealTime) {
  EXPECT_EQ(parse_signal("RTMIN").value(), SIGRTMIN);
  EXPECT_EQ(parse_signal("SIGRTMIN+3").value(), SIGRTMIN + 3);
  EXPECT_EQ(parse_signal("rtmax-1").value(), 63);
  EXPECT_EQ(parse_signal("RTMAX").value(), 64);
  EXPECT_EQ(parse_signal("RTMIN+30").value(), 64);
  EXPECT_FALSE(parse_signal("RTMIN+31").ok());
  EXPECT_FALSE(parse_signal("RTMIN-1").ok());
  EXPECT_FALSE(parse_signal("RTMIN+").ok());
}

TEST(Signals, EveryNameOfTheKernelsOwn) {
  for (int number = 1; number <= 31; ++number) {
    const char* name = ::sigabbrev_np(number);
    ASSERT_NE(name, nullptr);
    const Result<int> parsed = parse_signal(name);
    ASSERT_TRUE(parsed.ok()) << name;
    EXPECT_EQ(parsed.value(), number) << name;
  }
}

TEST(Signals, RefusedInRuncsWords) {
  EXPECT_EQ(parse_signal("FOO").error().context, "unknown signal \"FOO\"");
  for (const char* bad : {"", "65", "-1", "9 ", "SIG", "SIGSIGKILL", "0x9", "4294967305"}) {
    EXPECT_FALSE(parse_signal(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace gabion::cli
