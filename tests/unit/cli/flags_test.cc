#include "shim/cli/flags.h"

#include <gtest/gtest.h>

#include <vector>

namespace gabion::cli {
namespace {

constexpr Flag kFlags[] = {
    {"detach", 'd', FlagKind::kSwitch, nullptr, "d"}, {"tty", 't', FlagKind::kSwitch, nullptr, "t"},
    {"bundle", 'b', FlagKind::kText, "DIR", "b"},     {"env", 'e', FlagKind::kList, "NAME", "e"},
    {"preserve-fds", 0, FlagKind::kCount, "N", "p"},  {"no-subreaper", 0, FlagKind::kSwitch, nullptr, "n"},
};

Result<Arguments> parse(std::vector<const char*> words, Order order = Order::kFlagsAnywhere) {
  return parse_flags(kFlags, words, order);
}

std::string error_of(std::vector<const char*> words) {
  const Result<Arguments> result = parse(std::move(words));
  return result.ok() ? "no error" : result.error().context;
}

TEST(Flags, EverySpellingOfAValue) {
  for (const std::vector<const char*>& words :
       std::vector<std::vector<const char*>>{{"--bundle", "/b", "id"},
                                             {"--bundle=/b", "id"},
                                             {"-bundle", "/b", "id"},
                                             {"-bundle=/b", "id"},
                                             {"-b", "/b", "id"},
                                             {"-b=/b", "id"},
                                             {"--b", "/b", "id"},
                                             {"id", "--bundle", "/b"}}) {
    const Result<Arguments> arguments = parse(words);
    ASSERT_TRUE(arguments.ok()) << words[0];
    EXPECT_EQ(arguments->text("bundle"), "/b") << words[0];
    EXPECT_EQ(arguments->positional(), std::vector<std::string>{"id"}) << words[0];
  }
}

TEST(Flags, Switches) {
  EXPECT_TRUE(parse({"-no-subreaper", "id"})->on("no-subreaper"));  // go-runc's restore
  EXPECT_TRUE(parse({"--detach"})->on("detach"));
  EXPECT_TRUE(parse({"--detach=true"})->on("detach"));
  EXPECT_TRUE(parse({"-d=1"})->on("detach"));
  EXPECT_FALSE(parse({"--detach=false"})->on("detach"));
  EXPECT_TRUE(parse({"--detach=false"})->has("detach"));
  EXPECT_FALSE(parse({"-d", "-d=F"})->on("detach"));
  EXPECT_FALSE(parse({"id"})->on("detach"));
  // A switch never takes the next word.
  const Result<Arguments> arguments = parse({"--detach", "false"});
  EXPECT_TRUE(arguments->on("detach"));
  EXPECT_EQ(arguments->positional(), std::vector<std::string>{"false"});
}

TEST(Flags, LettersTogether) {
  const Result<Arguments> arguments = parse({"-dt", "id"});
  ASSERT_TRUE(arguments.ok());
  EXPECT_TRUE(arguments->on("detach"));
  EXPECT_TRUE(arguments->on("tty"));
  const Result<Arguments> value = parse({"-dtb", "/b", "id"});
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->text("bundle"), "/b");
  // A misspelt long flag must not turn into letters and a value.
  EXPECT_EQ(error_of({"-detached"}), "flag provided but not defined: -detached");
  EXPECT_EQ(error_of({"--dt"}), "flag provided but not defined: -dt");
}

TEST(Flags, ListsKeepOrderAndTextsTheLast) {
  const Result<Arguments> arguments = parse({"-e", "A=1", "--env=B=2=3", "--env", "", "-b", "x", "-b", "y"});
  ASSERT_TRUE(arguments.ok());
  EXPECT_EQ(arguments->list("env"), (std::vector<std::string>{"A=1", "B=2=3", ""}));
  EXPECT_EQ(arguments->text("bundle"), "y");
}

TEST(Flags, CountsAreStrict) {
  EXPECT_EQ(parse({"--preserve-fds=2147483647"})->count("preserve-fds"), 2147483647);
  EXPECT_EQ(parse({"id"})->count("preserve-fds"), 0);
  for (const char* bad :
       {"--preserve-fds=-1", "--preserve-fds=1x", "--preserve-fds=", "--preserve-fds=2147483648",
        "--preserve-fds=0x10", "--preserve-fds= 1", "--preserve-fds=4294967297"}) {
    EXPECT_FALSE(parse({bad}).ok()) << bad;
  }
}

TEST(Flags, FlagsFirstLeavesTheCommandAlone) {
  const Result<Arguments> arguments =
      parse({"-t", "id", "ls", "-d", "--bundle=x", "--", "-h"}, Order::kFlagsFirst);
  ASSERT_TRUE(arguments.ok());
  EXPECT_FALSE(arguments->on("detach"));
  EXPECT_EQ(arguments->positional(), (std::vector<std::string>{"id", "ls", "-d", "--bundle=x", "--", "-h"}));
}

TEST(Flags, DoubleDashEndsFlagsAndDashIsAnArgument) {
  EXPECT_EQ(parse({"--", "-d", "--zork"})->positional(), (std::vector<std::string>{"-d", "--zork"}));
  EXPECT_EQ(parse({"-", "-d"})->positional(), std::vector<std::string>{"-"});
  EXPECT_EQ(parse({"-b", "-", "id"})->text("bundle"), "-");
  EXPECT_EQ(parse({"-b", "--", "id"})->text("bundle"), "--");
}

TEST(Flags, Errors) {
  EXPECT_EQ(error_of({"--zork"}), "flag provided but not defined: -zork");
  EXPECT_EQ(error_of({"--zork=1"}), "flag provided but not defined: -zork");
  EXPECT_EQ(error_of({"--"}), "no error");
  EXPECT_EQ(error_of({"--bundle"}), "flag needs an argument: -bundle");
  EXPECT_EQ(error_of({"--detach=maybe"}), "invalid boolean value \"maybe\" for -detach");
  EXPECT_NE(error_of({"--=x"}), "no error");
}

}  // namespace
}  // namespace gabion::cli
