#include "shim/cli/check_text.h"

#include <gtest/gtest.h>

namespace gabion::cli {
namespace {

const node::Findings kFindings = {
    node::passed("kernel", "Linux 6.1.0"),
    node::warned("idmap", "no", "move it", "/a"),
    node::failed("docker", "bad \033[31m\nname", "correct it"),
};

TEST(CheckText, EveryFindingHasItsLineAndItsFix) {
  EXPECT_EQ(check_text(kFindings, false),
            "RESULT  CHECK            FOUND\n"
            "pass    kernel           Linux 6.1.0\n"
            "warn    idmap            /a: no\n"
            "                         fix: move it\n"
            "fail    docker           bad \\x1b[31m name\n"
            "                         fix: correct it\n"
            "\n"
            "not ready: 1 failure, 1 warning, 1 passed\n");
}

TEST(CheckText, WarningsLeaveANodeReady) {
  const std::string text = check_text({node::warned("a", "b", "c"), node::warned("a", "b", "c")}, false);
  EXPECT_NE(text.find("\nready: 0 failures, 2 warnings, 0 passed\n"), std::string::npos) << text;
}

TEST(CheckText, ColourIsOnlyTheResults) {
  EXPECT_NE(check_text(kFindings, true).find("\033[1;31mfail\033[0m    docker"), std::string::npos);
}

TEST(CheckDocument, HasWhatTheTextHas) {
  const json::Value document = check_document(kFindings);
  EXPECT_FALSE(document.find("ready")->as_bool());
  EXPECT_EQ(document.find("warn")->text(), "1");
  const std::vector<json::Value>& checks = document.find("checks")->items();
  ASSERT_EQ(checks.size(), 3U);
  EXPECT_EQ(json::write(checks[1]),
            R"({"check":"idmap","subject":"/a","result":"warn","found":"no","fix":"move it"})");
  EXPECT_EQ(checks[0].find("fix"), nullptr);
}

}  // namespace
}  // namespace gabion::cli
