// Parts of the check against files made for it.
#include "node/checks.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/slots.h"
#include "tests/support/scratch.h"

namespace gabion::node {
namespace {

Finding only(const Findings& findings) {
  EXPECT_EQ(findings.size(), 1U);
  return findings.empty() ? Finding{} : findings.front();
}

TEST(CheckGaps, EachNoteIsNamed) {
  const tests::Scratch scratch;
  Subject subject;
  subject.request.gap_directory = scratch.path();
  Findings findings;
  check_gaps(subject, findings);
  EXPECT_EQ(only(findings).verdict, Verdict::kPass);
  (void)scratch.write("gap-var-log-gabion-audit.jsonl", "2 events\n");
  findings.clear();
  check_gaps(subject, findings);
  EXPECT_EQ(only(findings).verdict, Verdict::kWarn);
  EXPECT_NE(only(findings).found.find("gap-var-log-gabion-audit.jsonl"), std::string::npos);
}

TEST(CheckSlots, ARangeOfAContainerThatIsGoneIsNamedWithItsOwner) {
  const tests::Scratch scratch;
  Subject subject;
  subject.request.id_directory = scratch.path();
  ASSERT_EQ(::symlink("/nowhere/c1", (scratch / "1879048192").c_str()), 0);
  ASSERT_EQ(::symlink("/tmp", (scratch / "1879113728").c_str()), 0);
  Findings findings;
  check_slots(subject, findings);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].verdict, Verdict::kWarn);
  EXPECT_EQ(findings[0].found, "1 of a container that is gone: 1879048192 of /nowhere/c1");
  EXPECT_EQ(findings[1].verdict, Verdict::kPass);  // no range, so that no process is in it
}

TEST(CheckAuditLog, AMissingLogIsNotMade) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const tests::Scratch scratch;
  Subject subject;
  subject.request.audit_file = scratch / "logs/audit.jsonl";
  Findings findings;
  check_audit_log(subject, findings);
  EXPECT_EQ(only(findings).verdict, Verdict::kPass);
  EXPECT_TRUE(names_in(scratch.path()).empty());
}

TEST(CheckEngines, NoneIsAWarningAndNoFailure) {
  const tests::Scratch scratch;
  Subject subject;
  subject.request.docker_config = scratch.write("daemon.json", "\n");
  subject.request.containerd_config = scratch.write("config.toml", "version = 2\n");
  Findings findings;
  check_engines(subject, findings);
  EXPECT_EQ(only(findings).check, "engines");
  EXPECT_EQ(only(findings).verdict, Verdict::kWarn);
}

TEST(CheckEngines, EveryRuntimeHasItsFinding) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const tests::Scratch scratch;
  const std::string good = scratch.write("gabion", "", 0755);
  Subject subject;
  subject.request.docker_config =
      scratch.write("daemon.json", R"({"exec-opts": ["native.cgroupdriver=cgroupfs"], "runtimes": {)"
                                   R"("gabion": {"path": ")" +
                                       good + R"("}, "gabion-maximum": {"path": "/nowhere/gabion"}}})");
  subject.request.containerd_config = scratch.write("config.toml", "");
  Findings findings;
  check_engines(subject, findings);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].verdict, Verdict::kPass) << findings[0].found;
  EXPECT_EQ(findings[1].verdict, Verdict::kFail);
  EXPECT_NE(findings[1].found.find("/nowhere/gabion, which does not exist"), std::string::npos);
}

}  // namespace
}  // namespace gabion::node
