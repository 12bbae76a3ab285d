// What is shown: safe text, columns, durations, the table of processes.
#include "base/text.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "shim/cli/duration.h"
#include "shim/cli/output.h"
#include "shim/cli/process_table.h"
#include "shim/cli/table.h"

namespace gabion::cli {
namespace {

TEST(Printable, NoByteReachesATerminalThatCouldDriveIt) {
  EXPECT_EQ(printable("plain \t\n caf\xc3\xa9 \xe2\x86\x92"), "plain \t\n caf\xc3\xa9 \xe2\x86\x92");
  EXPECT_EQ(printable("\x1b[31m"), "\\x1b[31m");
  EXPECT_EQ(printable("a\rb\x7f"), "a\\x0db\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\xc2\\x9b31m");  // CSI as one C1 character
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable(std::string("\0x", 2)), "\\x00x");
}

TEST(Table, IsRuncsLayout) {
  EXPECT_EQ(format_table({{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}}, 12, 3),
            "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
  EXPECT_EQ(format_table({{"ID", "BUNDLE", "OWNER"}, {"c1", "/tmp/cli-exp/b", "root"}}, 12, 3),
            "ID          BUNDLE           OWNER\nc1          /tmp/cli-exp/b   root\n");
}

TEST(Wrap, BreaksAtBlanksAndCountsCharacters) {
  EXPECT_EQ(wrap("one two three", 7, 2), "one two\n  three");
  EXPECT_EQ(wrap("unbreakable word", 4, 1), "unbreakable\n word");
  EXPECT_EQ(wrap("\xc3\xa9\xc3\xa9 \xc3\xa9\xc3\xa9", 5, 0), "\xc3\xa9\xc3\xa9 \xc3\xa9\xc3\xa9");
  EXPECT_EQ(wrap("", 5, 0), "");
}

TEST(Duration, GosForms) {
  EXPECT_EQ(parse_duration("5s"), 5'000'000'000);
  EXPECT_EQ(parse_duration("100ms"), 100'000'000);
  EXPECT_EQ(parse_duration("1m30s"), 90'000'000'000);
  EXPECT_EQ(parse_duration("1h"), 3'600'000'000'000);
  for (const char* bad : {"", "5", "s", "0s", "-1s", "1.5s", "1d", "5 s", "9999999999h", "1s2"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
}

TEST(ProcessTable, ShowsThisProcess) {
  const std::string table = process_table({::getpid(), 2147483647});
  const std::vector<std::string_view> lines = split(table, '\n');
  ASSERT_EQ(lines.size(), 3U) << table;  // header, one row, the end
  EXPECT_EQ(lines[0], "UID          PID    PPID  C STIME TTY          TIME CMD");
  EXPECT_TRUE(lines[1].starts_with("root")) << lines[1];
  EXPECT_NE(lines[1].find(" " + std::to_string(::getpid()) + " "), std::string_view::npos);
  EXPECT_NE(lines[1].find("unit_cli"), std::string_view::npos);
}

TEST(ProcessTable, FiltersWhatPsPrinted) {
  constexpr std::string_view kOutput =
      "  PID TTY      STAT COMMAND\n    1 ?        Ss   init 42\n   42 ?        S    x\n";
  EXPECT_EQ(filter_ps_output(kOutput, {42}).value(), "  PID TTY      STAT COMMAND\n   42 ?        S    x\n");
  EXPECT_EQ(filter_ps_output(kOutput, {}).value(), "  PID TTY      STAT COMMAND\n");
  EXPECT_FALSE(filter_ps_output("COMMAND\ninit\n", {1}).ok());
  EXPECT_FALSE(filter_ps_output("", {1}).ok());
}

}  // namespace
}  // namespace gabion::cli
