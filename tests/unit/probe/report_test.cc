// The score and the two forms of a report.
#include "probe/report.h"

#include <gtest/gtest.h>

namespace gabion::probe {
namespace {

Report example() {
  Report report;
  report.checks = {
      {"one", "first", 6, true, "why"}, {"one", "second", 3, false, ""}, {"two", "third", 0, true, ""}};
  report.calls = {{"native", {{0, "read", true, 0}, {1, "write", false, 1}, {2, "", false, 0}}}};
  return report;
}

TEST(ProbeReport, TheScoreIsTheShareOfTheWeightsThatIsClosed) {
  EXPECT_EQ(score({{"g", "a", 6, true, ""}, {"g", "b", 3, false, ""}}), 33);
  EXPECT_EQ(score({{"g", "a", 6, true, ""}}), 0);
  EXPECT_EQ(score({{"g", "a", 6, false, ""}, {"g", "b", 0, true, ""}}), 100);
  Checks many(400, Check{"g", "a", 5, false, ""});
  many[7] = {"g", "a", 1, true, ""};
  EXPECT_EQ(score(many), 99) << "never 100 with something open";
  EXPECT_EQ(score({}), 0);
}

TEST(ProbeReport, TextShowsWhatIsOpenOrEverything) {
  const std::string some = report_text(example(), false);
  EXPECT_NE(some.find("OPEN   6  first"), std::string::npos) << some;
  EXPECT_NE(some.find("why"), std::string::npos);
  EXPECT_EQ(some.find("second"), std::string::npos);
  EXPECT_NE(some.find("open   0  third"), std::string::npos);
  EXPECT_NE(some.find("1 of 3 open; score 33 of 100"), std::string::npos);
  EXPECT_NE(report_text(example(), true).find("closed 3  second"), std::string::npos);
}

TEST(ProbeReport, WhatWasNotMeasuredIsSaid) {
  Report report = example();
  EXPECT_EQ(report_text(report, true).find("MEASURED"), std::string::npos);
  EXPECT_EQ(report_document(report).find("systemCallsNotMeasured"), nullptr);
  report.calls_unmeasured = "a filter with a listener: busy";
  EXPECT_NE(report_text(report, false).find("NOT MEASURED: a filter with a listener: busy"),
            std::string::npos);
  EXPECT_EQ(report_document(report).find("systemCallsNotMeasured")->text(), report.calls_unmeasured);
}

TEST(ProbeReport, JsonHasEveryCheckAndEveryNumber) {
  const json::Value document = report_document(example());
  EXPECT_EQ(*document.find("score")->as_int64(), 33);
  ASSERT_EQ(document.find("checks")->items().size(), 3U);
  EXPECT_TRUE(document.find("checks")->items()[0].find("open")->as_bool());
  const json::Value* native = document.find("systemCalls")->find("native");
  ASSERT_EQ(native->items().size(), 3U);
  EXPECT_EQ(native->items()[0].find("answer")->text(), "reached");
  EXPECT_EQ(native->items()[1].find("answer")->text(), "EPERM");
  EXPECT_EQ(native->items()[2].find("answer")->text(), "killed");
  EXPECT_EQ(native->items()[2].find("name"), nullptr);
}

}  // namespace
}  // namespace gabion::probe
