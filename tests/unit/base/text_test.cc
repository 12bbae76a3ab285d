#include "base/text.h"

#include <gtest/gtest.h>

namespace gabion {
namespace {

TEST(ParseUnsigned, TakesDigitsOnlyAndNeverWraps) {
  EXPECT_EQ(parse_unsigned("0", UINT32_MAX), 0U);
  EXPECT_EQ(parse_unsigned("4294967295", UINT32_MAX), 4294967295U);
  for (const char* bad : {"", "4294967296", "-1", "+1", " 1", "1 ", "0x1", "1e3", "18446744073709551616",
                          "99999999999999999999999"}) {
    EXPECT_FALSE(parse_unsigned(bad, UINT32_MAX)) << bad;
  }
  EXPECT_EQ(parse_unsigned("18446744073709551615", UINT64_MAX), UINT64_MAX);
}

TEST(ParseSigned, ReachesBothEnds) {
  EXPECT_EQ(parse_signed("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(parse_signed("9223372036854775807"), INT64_MAX);
  EXPECT_FALSE(parse_signed("9223372036854775808"));
  EXPECT_FALSE(parse_signed("--1"));
  EXPECT_FALSE(parse_signed("-"));
}

TEST(ParseBytes, KnowsDockersUnits) {
  EXPECT_EQ(parse_bytes("512m"), int64_t{512} << 20);
  EXPECT_EQ(parse_bytes("1gb"), int64_t{1} << 30);
  EXPECT_EQ(parse_bytes("64K"), 65536);
  EXPECT_EQ(parse_bytes("-1"), -1);
  EXPECT_FALSE(parse_bytes("9223372036854775807k"));
  EXPECT_FALSE(parse_bytes("m"));
}

TEST(Glob, StarStopsAtSlashDoubleStarDoesNot) {
  EXPECT_TRUE(glob_match("/var/lib/*/x", "/var/lib/docker/x"));
  EXPECT_FALSE(glob_match("/var/lib/*", "/var/lib/docker/x"));
  EXPECT_TRUE(glob_match("/var/lib/**", "/var/lib/docker/x"));
  EXPECT_TRUE(glob_match("/a/**/b/*/c", "/a/b/x/y/b/z/c"));
  EXPECT_TRUE(glob_match("**/*.sock", "/run/x/y.sock"));
  EXPECT_FALSE(glob_match("/a/**/b/*/c", "/a/b/x/y/c"));
  EXPECT_TRUE(glob_match("?bc", "abc"));
  EXPECT_FALSE(glob_match("?bc", "/bc"));
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_FALSE(glob_match("a", ""));
  EXPECT_TRUE(glob_match("a*", "a"));
}

TEST(Glob, HostilePatternsEndInTime) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "a*";
  EXPECT_FALSE(glob_match(pattern + "b", std::string(20000, 'a')));
}

TEST(Time, IsRfc3339AcrossCenturies) {
  EXPECT_EQ(rfc3339_utc(0, 0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(rfc3339_utc(951782400, 7), "2000-02-29T00:00:00.000000007Z");
  EXPECT_EQ(rfc3339_utc(4102444799, 999999999), "2099-12-31T23:59:59.999999999Z");
}

TEST(Split, KeepsEmptyParts) {
  EXPECT_EQ(split("a::b", ':').size(), 3U);
  EXPECT_EQ(split("", ':').size(), 1U);
}

}  // namespace
}  // namespace gabion
