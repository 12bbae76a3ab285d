#include "base/json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/json_text.h"

namespace gabion::json {
namespace {

std::string failure(std::string_view text, const ParseOptions& options = {}) {
  auto result = parse(text, "config.json", options);
  return result.ok() ? "parsed" : result.error().message();
}

bool mentions(const std::string& message, std::string_view part) {
  return message.find(part) != std::string::npos;
}

TEST(JsonParse, ReadsEveryKind) {
  auto result = parse(R"({"a":[null,true,false,-1.5e3,"x\n\u00e9\ud83d\ude00"],"b":{}})", "t");
  ASSERT_TRUE(result.ok()) << result.error().message();
  const Value* list = result->find("a");
  ASSERT_NE(list, nullptr);
  ASSERT_EQ(list->items().size(), 5U);
  EXPECT_TRUE(list->items()[0].is(Value::Kind::kNull));
  EXPECT_TRUE(list->items()[1].as_bool());
  EXPECT_FALSE(list->items()[2].as_bool());
  EXPECT_EQ(list->items()[3].text(), "-1.5e3");
  EXPECT_EQ(list->items()[4].text(), "x\n\xc3\xa9\xf0\x9f\x98\x80");
  EXPECT_TRUE(result->find("b")->is(Value::Kind::kObject));
  EXPECT_EQ(result->find("c"), nullptr);
  EXPECT_EQ(list->find("a"), nullptr);
}

TEST(JsonParse, AcceptsScalarsAtTheTop) {
  EXPECT_EQ(parse(" \"x\" ", "t")->text(), "x");
  EXPECT_EQ(parse("12", "t")->text(), "12");
  EXPECT_TRUE(parse("null", "t")->is(Value::Kind::kNull));
}

TEST(JsonParse, KeepsNumbersExact) {
  auto result = parse("[18446744073709551615,-9223372036854775808,18446744073709551616,1e999,1.0,-1]", "t");
  ASSERT_TRUE(result.ok());
  const auto& items = result->items();
  EXPECT_EQ(items[0].as_uint64().value(), UINT64_MAX);
  EXPECT_FALSE(items[0].as_int64().ok());
  EXPECT_EQ(items[1].as_int64().value(), INT64_MIN);
  EXPECT_FALSE(items[2].as_uint64().ok());
  EXPECT_FALSE(items[3].as_uint64().ok());
  EXPECT_FALSE(items[3].as_int64().ok());
  EXPECT_FALSE(items[4].as_int64().ok());
  EXPECT_FALSE(items[5].as_uint64().ok());
  EXPECT_FALSE(Value::string("1").as_int64().ok());
}

TEST(JsonParse, NamesTheLine) {
  EXPECT_EQ(failure("{\n\"a\": 1,\n\"a\": 2}"), "config.json: line 3, byte 13: duplicate key \"a\"");
  EXPECT_TRUE(failure("{\n\n x}").starts_with("config.json: line 3, byte "));
  EXPECT_EQ(failure("{\n\n x}").find('\n'), std::string::npos);
}

TEST(JsonParse, RefusesWhatIsNotOneDocument) {
  for (const char* text : {"",       "   ", "{",    "[1,", "{\"a\"",    "{\"a\":}", "[1]x", "{}{}",
                           "1 2",    "tru", "nul",  "\"",  "\"\\u12\"", "\"\\x\"",  "01",   "+1",
                           ".5",     "1.",  "[1,]", "{,}", "{a:1}",     "'a'",      "NaN",  "\xef\xbb\xbf{}",
                           "// c\n1"}) {
    EXPECT_NE(failure(text), "parsed") << text;
  }
}

TEST(JsonParse, RefusesDuplicateKeysAtAnySize) {
  EXPECT_TRUE(mentions(failure(R"({"a":1,"a":1})"), "duplicate key"));
  // The same key through an escape.
  EXPECT_TRUE(mentions(failure(R"({"a":1,"\u0061":1})"), "duplicate key"));
  EXPECT_TRUE(mentions(failure(R"([{"b":{"a":1,"c":2,"a":3}}])"), "duplicate key"));
  EXPECT_EQ(failure(R"([{"a":1},{"a":1}])"), "parsed");
  for (int members : {15, 16, 17, 18, 100}) {
    std::string body;
    for (int i = 0; i < members; ++i) body += "\"k" + std::to_string(i) + "\":1,";
    EXPECT_EQ(failure("{" + body + "\"z\":1}"), "parsed") << members;
    for (int repeated : {0, members / 2, members - 1}) {
      EXPECT_TRUE(mentions(failure("{" + body + "\"k" + std::to_string(repeated) + "\":1}"), "duplicate key"))
          << members << " " << repeated;
    }
  }
}

TEST(JsonParse, ManyKeysAreNotQuadratic) {
  std::string text = "{";
  for (int i = 0; i < 400'000; ++i) text += "\"k" + std::to_string(i) + "\":1,";
  text += "\"k0\":1}";
  auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(mentions(failure(text), "duplicate key"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(JsonParse, BoundsDepth) {
  auto nested = [](size_t depth, const char* open, const char* close) {
    std::string text;
    for (size_t i = 0; i < depth; ++i) text += open;
    text += "1";
    for (size_t i = 0; i < depth; ++i) text += close;
    return text;
  };
  EXPECT_EQ(failure(nested(64, "[", "]")), "parsed");
  EXPECT_TRUE(mentions(failure(nested(65, "[", "]")), "nested deeper than 64"));
  EXPECT_TRUE(mentions(failure(nested(65, "{\"a\":", "}")), "nested deeper than 64"));
  EXPECT_TRUE(mentions(failure(nested(1'000'000, "[", "]")), "nested deeper than 64"));
  EXPECT_TRUE(mentions(failure(std::string(1'000'000, '[')), "nested deeper than 64"));
}

TEST(JsonParse, BoundsSizeAndCount) {
  ParseOptions options;
  options.max_values = 4;
  EXPECT_EQ(failure("[1,2,3]", options), "parsed");
  EXPECT_TRUE(mentions(failure("[1,2,3,4]", options), "more than 4 values"));
  EXPECT_TRUE(mentions(failure("[{},{},[],{}]", options), "more than 4 values"));
  options.max_bytes = 8;
  EXPECT_EQ(failure("12345678", options), "parsed");
  EXPECT_TRUE(mentions(failure("123456789", options), "larger than the limit of 8 bytes"));
  std::string large(17 << 20, ' ');
  EXPECT_TRUE(mentions(failure(large), "larger than the limit of 16777216 bytes"));
}

TEST(JsonParse, RefusesNulInAnyForm) {
  EXPECT_TRUE(mentions(failure(std::string_view("\"a\0b\"", 5)), "NUL byte"));
  EXPECT_TRUE(mentions(failure(std::string_view("{}\0", 3)), "NUL byte"));
  EXPECT_TRUE(mentions(failure(R"(["a\u0000b"])"), "NUL in a string"));
  EXPECT_TRUE(mentions(failure(R"({"a\u0000b":1})"), "NUL in a string"));
  // An escaped backslash before "u0000" is six ordinary characters.
  EXPECT_EQ(parse(R"("a\\u0000")", "t")->text(), "a\\u0000");
}

TEST(JsonParse, RefusesInvalidUnicode) {
  for (const char* bytes :
       {"\x80", "\xc3", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82", "abcdefghi\xc3("}) {
    EXPECT_TRUE(mentions(failure("\"" + std::string(bytes) + "\""), "invalid UTF-8"));
  }
  EXPECT_EQ(failure("\"\xc3\xa9 \xe2\x82\xac \xed\x9f\xbf \xee\x80\x80 \xf4\x8f\xbf\xbf\""), "parsed");
  for (const char* text :
       {R"("\ud800")", R"("\udc00")", R"("\ud800x")", R"("\ud800\u0041")", R"("\udc00\ud800")"}) {
    EXPECT_TRUE(mentions(failure(text), "unpaired surrogate")) << text;
  }
  EXPECT_EQ(failure("[1,\v2]").find("parsed"), std::string::npos);
  EXPECT_EQ(failure("[1,\f2]").find("parsed"), std::string::npos);
  EXPECT_NE(failure("\"a\tb\""), "parsed");
}

TEST(JsonParse, CommentsOnlyWhereAllowed) {
  const std::string text = "// it's \\ud800 here\n{\"a\": /* \" \\u0000 */ 1, \"b\": \"// no comment\"}";
  EXPECT_NE(failure("{\"a\": /* x */ 1}"), "parsed");
  EXPECT_NE(failure("// x\n{\"a\": 1}"), "parsed");
  ParseOptions options;
  options.allow_comments = true;
  auto result = parse(text, "policy.json", options);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->find("b")->text(), "// no comment");
  EXPECT_TRUE(mentions(failure("// \"\n[\"\\u0000\"]", options), "NUL in a string"));
}

TEST(JsonText, FindsTheOffset) {
  auto flaw = find_text_flaw("0123456789\xff", false);
  ASSERT_TRUE(flaw);
  EXPECT_EQ(flaw->offset, 10U);
  EXPECT_FALSE(find_text_flaw("", false));
}

TEST(JsonWrite, CompactAndIndented) {
  Value object = Value::object();
  object.set("a", Value::integer(-1));
  object.set("list", Value::array()).push(Value::boolean(true));
  object.set("empty", Value::array());
  object.set("none", Value());
  object.set("a", Value::unsigned_integer(UINT64_MAX));
  EXPECT_EQ(write(object), R"({"a":18446744073709551615,"list":[true],"empty":[],"none":null})");
  EXPECT_EQ(write(object, Style::kIndented),
            "{\n\t\"a\": 18446744073709551615,\n\t\"list\": [\n\t\ttrue\n\t],\n\t\"empty\": [],\n\t\"none\": "
            "null\n}");
}

TEST(JsonWrite, EscapesSoThatItReadsBack) {
  std::string text = "quote\" back\\ nl\n cr\r tab\t esc\x1b del\x7f \xc3\xa9";
  EXPECT_EQ(escape("\x1b\x7f"), "\\u001b\\u007f");
  std::string written = write(Value::string(text));
  EXPECT_EQ(written.find('\n'), std::string::npos);
  EXPECT_EQ(parse(written, "t")->text(), text);
}

}  // namespace
}  // namespace gabion::json
