// Golden JSON and text of state, events and explain.
#include <gtest/gtest.h>

#include "shim/cli/explain_text.h"
#include "shim/cli/info_document.h"
#include "shim/cli/stats_document.h"

namespace gabion::cli {
namespace {

TEST(State, IsRuncsDocument) {
  const container::Info info{.id = "c1",
                             .oci_version = "1.0.2",
                             .status = container::ContainerStatus::kRunning,
                             .pid = 42,
                             .bundle = "/b",
                             .rootfs = "/b/rootfs",
                             .created = "2026-01-02T03:04:05.000000006Z",
                             .owner = "root",
                             .annotations = {{"a", "b\tc"}}};
  EXPECT_EQ(indent_by(info_document(info), 2), R"({
  "ociVersion": "1.0.2",
  "id": "c1",
  "pid": 42,
  "status": "running",
  "bundle": "/b",
  "rootfs": "/b/rootfs",
  "created": "2026-01-02T03:04:05.000000006Z",
  "annotations": {
    "a": "b\tc"
  },
  "owner": "root"
})");
}

TEST(Stats, IsRuncsDocument) {
  kernel::CgroupStats stats;
  stats.cpu.total_ns = 6035743;
  stats.cpu.per_cpu_ns = {5453443, 582300};
  stats.cpuset.cpus = {0, 1};
  stats.cpuset.mems = {0};
  stats.cpuset.sched_load_balance = 1;
  stats.cpuset.sched_relax_domain_level = -1;
  stats.memory.usage = {.usage = 458752, .max = 2514944, .limit = 9223372036854771712U, .failcnt = 0};
  stats.memory.stat = {{"rss", 49152}, {"cache", 0}};
  stats.pids.current = 1;
  stats.blkio.serviced = {{.major = 8, .minor = 0, .op = "Read", .value = 3}};
  stats.hugetlb = {{.page_size = "2MB", .usage = 0, .max = 0, .failcnt = 0}};
  EXPECT_EQ(
      json::write(stats_document(stats)),
      R"({"cpu":{"usage":{"total":6035743,"percpu":[5453443,582300],"kernel":0,"user":0},"throttling":{}},)"
      R"("cpuset":{"cpus":[0,1],"cpu_exclusive":0,"mems":[0],"mem_hardwall":0,"mem_exclusive":0,)"
      R"("memory_migrate":0,"memory_spread_page":0,"memory_spread_slab":0,"memory_pressure":0,)"
      R"("sched_load_balance":1,"sched_relax_domain_level":-1},)"
      R"("memory":{"usage":{"limit":9223372036854771712,"usage":458752,"max":2514944,"failcnt":0},)"
      R"("swap":{"limit":0,"failcnt":0},"kernel":{"limit":0,"failcnt":0},"kernelTCP":{"limit":0,"failcnt":0},)"
      R"("raw":{"cache":0,"rss":49152}},"pids":{"current":1},)"
      R"("blkio":{"ioServicedRecursive":[{"major":8,"op":"Read","value":3}]},)"
      R"("hugetlb":{"2MB":{"failcnt":0}},"intel_rdt":{},"network_interfaces":null})");
}

container::Explanation some_explanation() {
  container::Explanation explanation;
  explanation.decisions = {
      {.rule = "rootfs.readonly",
       .path = "root.readonly",
       .before = "false",
       .after = "true",
       .outcome = policy::Outcome::kTightened,
       .reason = "what is written to the image's own files is lost or drift"},
      {.rule = "mounts.sensitive",
       .path = "mounts[3]",
       .before = "/proc \x1b[2J",
       .after = "",
       .outcome = policy::Outcome::kRefused,
       .reason = "use a volume"},
  };
  explanation.refused = true;
  return explanation;
}

TEST(Explain, RefusalsComeFirstAndNothingOfTheSpecDrivesTheTerminal) {
  const Subject subject{.bundle = "/b", .policy = "restricted", .policy_sha256 = "0123456789abcdef"};
  EXPECT_EQ(explain_text(some_explanation(), subject, false), R"(bundle   /b
policy   restricted  (sha256 0123456789ab)
result   refused; 2 decisions: 1 refused, 1 tightened

refused    mounts.sensitive  mounts[3]
           before  /proc \x1b[2J
           why     use a volume

tightened  rootfs.readonly  root.readonly
           before  false
           after   true
           why     what is written to the image's own files is lost or drift
)");
  EXPECT_EQ(explain_text(some_explanation(), subject, false).find('\033'), std::string::npos);
  EXPECT_NE(explain_text(some_explanation(), subject, true).find("\033[1;31m"), std::string::npos);
}

TEST(Explain, AnAllowedOneShowsWhatTheSpecHasNoWordsFor) {
  container::Explanation explanation;
  explanation.controls.seal_namespaces = true;
  explanation.controls.volatile_paths = {{"/tmp"}, {"/run"}};
  const std::string text =
      explain_text(explanation, {.bundle = "/b", .policy = "p", .policy_sha256 = "0"}, false);
  EXPECT_NE(text.find("result   allowed; 0 decisions\n"), std::string::npos);
  EXPECT_NE(text.find("  - writable, emptied at exit, nothing executable: /tmp /run\n"), std::string::npos);
  EXPECT_NE(text.find("namespaces belong to the node"), std::string::npos);
}

TEST(Explain, WhatIsSaidOfAControlIsTrueOfTheSpec) {
  container::Explanation explanation;
  explanation.controls.seccomp_profile = "default";
  explanation.controls.seccomp_filters = {{"/p.json", "", {}}};
  explanation.controls.landlock = true;
  const auto text = [&] {
    return explain_text(explanation, {.bundle = "/b", .policy = "p", .policy_sha256 = "0"}, false);
  };
  explanation.hardened = oci::Spec{};
  explanation.hardened->root = oci::Root{.path = "rootfs", .readonly = true};
  EXPECT_NE(text().find("  - system call filter \"default\"\n"), std::string::npos) << text();
  EXPECT_NE(text().find("  - system call filter /p.json, which the policy pins\n"), std::string::npos);
  EXPECT_NE(text().find("nothing writable executes, and"), std::string::npos);
  explanation.hardened->linux_.seccomp = oci::Seccomp{};
  explanation.hardened->linux_.seccomp->default_action = "SCMP_ACT_ERRNO";
  explanation.hardened->root->readonly = false;
  EXPECT_NE(text().find("\"default\", beside the specification's own"), std::string::npos) << text();
  EXPECT_NE(text().find("which the policy pins, beside the specification's own"), std::string::npos);
  EXPECT_NE(text().find("nothing writable executes but in the root itself, and"), std::string::npos)
      << text();
}

TEST(Explain, JsonHasEveryDecisionWhole) {
  const json::Value document =
      explain_document(some_explanation(), {.bundle = "/b", .policy = "p", .policy_sha256 = "0"});
  EXPECT_TRUE(document.find("refused")->as_bool());
  ASSERT_EQ(document.find("decisions")->items().size(), 2U);
  EXPECT_EQ(document.find("decisions")->items()[1].find("before")->text(), "/proc \x1b[2J");
  EXPECT_EQ(document.find("hardened"), nullptr);
  EXPECT_TRUE(json::parse(json::write(document), "document").ok());
}

}  // namespace
}  // namespace gabion::cli
