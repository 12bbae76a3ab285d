// Profiles a policy pins: what is read, what is judged, and that nothing half understood is stacked.
#include "policy/seccomp_file.h"

#include <gtest/gtest.h>

#include "policy/reader.h"
#include "support.h"

namespace gabion::policy::test {
namespace {

constexpr std::string_view kStart = R"({"names": ["seccomp", "execve"], "action": "SCMP_ACT_ALLOW"})";

std::string profile(std::string_view rules, std::string_view more = "") {
  return R"({"defaultAction": "SCMP_ACT_ERRNO")" + std::string(more) + R"(, "syscalls": [)" +
         std::string(rules) + "]}";
}

std::string error_of(const std::string& text) {
  const Result<oci::Seccomp> filter = parse_seccomp_file(text, "f.json");
  EXPECT_FALSE(filter.ok()) << text;
  if (filter.ok()) return "";
  EXPECT_NE(filter.error().message().find("f.json"), std::string::npos) << filter.error().message();
  return filter.error().message();
}

TEST(PinnedFile, IsReadAsConfigJsonIs) {
  const Result<oci::Seccomp> filter = parse_seccomp_file(
      profile(std::string(kStart) + R"(, {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7,
               "comment": "why", "args": [{"index": 1, "value": 2, "valueTwo": 3, "op": "SCMP_CMP_EQ"}]})",
              R"(, "defaultErrnoRet": 38, "architectures": ["SCMP_ARCH_X86_64"])"),
      "f.json");
  ASSERT_TRUE(filter.ok()) << filter.error().message();
  EXPECT_EQ(filter->default_errno_ret, 38U);
  ASSERT_EQ(filter->syscalls.size(), 2U);
  EXPECT_EQ(filter->syscalls[1].errno_ret, 7U);
  ASSERT_EQ(filter->syscalls[1].args.size(), 1U);
  EXPECT_EQ(filter->syscalls[1].args[0].value_two, 3U);
}

TEST(PinnedFile, WhatIsNotUnderstoodIsAnError) {
  EXPECT_NE(error_of(profile(kStart, R"(, "archMap": [])")).find("archMap"), std::string::npos);
  EXPECT_NE(error_of(profile(kStart, R"(, "flags": ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"])")).find("flags"),
            std::string::npos);
  for (const char* key : {"includes", "excludes", "name"}) {
    const std::string rule =
        std::string(R"({"names": ["read"], "action": "SCMP_ACT_ALLOW", ")") + key + R"(": {}})";
    EXPECT_NE(error_of(profile(std::string(kStart) + "," + rule)).find(key), std::string::npos);
  }
  EXPECT_NE(error_of(profile(std::string(kStart) + R"(, {"names": ["read"], "action": "SCMP_ACT_ALLOW",
                             "args": [{"indx": 1}]})"))
                .find("did you mean \"index\""),
            std::string::npos);
}

TEST(PinnedFile, ActionsNobodyAnswers) {
  for (const char* action : {"SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE"}) {
    const std::string rule = std::string(R"({"names": ["read"], "action": ")") + action + R"("})";
    EXPECT_FALSE(error_of(profile(std::string(kStart) + "," + rule)).empty());
    EXPECT_FALSE(error_of(R"({"defaultAction": ")" + std::string(action) + R"(", "syscalls": []})").empty());
  }
}

TEST(PinnedFile, MustLetTheContainerStart) {
  EXPECT_NE(error_of(profile(R"({"names": ["execve"], "action": "SCMP_ACT_ALLOW"})")).find("seccomp"),
            std::string::npos);
  EXPECT_NE(error_of(profile(R"({"names": ["seccomp"], "action": "SCMP_ACT_ALLOW"})")).find("execve"),
            std::string::npos);
  // Under a condition is not always.
  EXPECT_FALSE(error_of(profile(R"({"names": ["seccomp"], "action": "SCMP_ACT_ALLOW"},
                                   {"names": ["execve"], "action": "SCMP_ACT_ALLOW",
                                    "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]})"))
                   .empty());
  // A list of what is denied.
  EXPECT_TRUE(parse_seccomp_file(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []})", "f.json").ok());
  EXPECT_FALSE(error_of(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                            {"names": ["execve"], "action": "SCMP_ACT_ERRNO"}]})")
                   .empty());
}

TEST(PinnedFile, PolicyKeys) {
  const std::string hash(64, 'a');
  const Policy policy = restricted_with(R"("seccompFilters": [{"file": "/a.json", "sha256": ")" + hash +
                                        R"("}, {"file": "/b.json"}])");
  ASSERT_EQ(policy.seccomp_filters.size(), 2U);
  EXPECT_EQ(policy.seccomp_filters[0], (PinnedFile{"/a.json", hash}));
  EXPECT_EQ(policy.seccomp_filters[1], (PinnedFile{"/b.json", ""}));
  for (const char* wrong : {R"({"file": "a.json"})", R"({"file": "/a/../b"})", R"({"sha256": "00"})",
                            R"({"file": "/a", "sha256": "00"})", R"({"file": "/a", "sha265": "00"})",
                            R"("/a.json")", R"({"file": ""})"}) {
    const Result<Policy> parsed = parse_policy(
        R"({"extends": "restricted", "seccompFilters": [)" + std::string(wrong) + "]}", "p.json");
    ASSERT_FALSE(parsed.ok()) << wrong;
    EXPECT_NE(parsed.error().message().find("p.json: seccompFilters[0]"), std::string::npos)
        << parsed.error().message();
  }
}

TEST(PinnedFile, IsNotForAPolicyThatEnforcesNothing) {
  for (const char* members :
       {R"("seccompFilters": [{"file": "/a"}])", R"("exceptions": [{"name": "n", "reason": "r",
          "match": {"engine": "docker"}, "seccompFilters": [{"file": "/a"}]}])"}) {
    const Result<Policy> parsed =
        parse_policy(R"({"extends": "passthrough", )" + std::string(members) + "}", "p.json");
    ASSERT_FALSE(parsed.ok());
    EXPECT_NE(parsed.error().message().find("enforce"), std::string::npos);
  }
}

class PinnedRule : public testing::Test {
 protected:
  PinnedRule() : spec_(engine_spec("docker-20.10-default")), facts_(plausible_facts(spec_)) {
    fact_.sha256 = std::string(64, 'a');
    fact_.filter.default_action = "SCMP_ACT_ALLOW";
  }
  static Policy pinning(const std::string& more = "") {
    Policy policy = tier("restricted");
    policy.seccomp_filters = {{"/p.json", more}};
    return policy;
  }
  oci::Spec spec_;
  HostFacts facts_;
  SeccompFileFact fact_;
};

TEST_F(PinnedRule, IsAControlAndADecision) {
  facts_.seccomp_files["/p.json"] = fact_;
  for (const std::string& hash : {std::string(), fact_.sha256}) {
    const HardenedSpec hardened = must_pass(spec_, pinning(hash), facts_);
    ASSERT_EQ(hardened.controls().seccomp_filters.size(), 1U);
    EXPECT_EQ(hardened.controls().seccomp_filters[0], (PinnedFilter{"/p.json", fact_.sha256, fact_.filter}));
    EXPECT_EQ(hardened.controls().seccomp_profile, "default");
    const Decision* decision = find(hardened.decisions(), "seccomp.pinned", Outcome::kTightened);
    ASSERT_NE(decision, nullptr);
    EXPECT_NE(decision->after.find(fact_.sha256), std::string::npos);
  }
}

TEST_F(PinnedRule, RefusesWhatIsNotThePinnedFile) {
  facts_.seccomp_files["/p.json"] = fact_;
  const Refusal refusal = must_refuse(spec_, pinning(std::string(64, 'b')), facts_);
  const Decision* decision = find(refusal.decisions, "seccomp.pinned", Outcome::kRefused);
  ASSERT_NE(decision, nullptr);
  EXPECT_NE(decision->reason.find("SHA-256"), std::string::npos);
}

TEST_F(PinnedRule, RefusesWhatCouldNotBeReadWhateverTheModes) {
  fact_.error = "p.json: broken";
  facts_.seccomp_files["/p.json"] = fact_;
  Policy policy = pinning(fact_.sha256);
  policy.rules.fill(Mode::kWarn);
  const Refusal refusal = must_refuse(spec_, policy, facts_);
  const Decision* decision = find(refusal.decisions, "seccomp.pinned", Outcome::kRefused);
  ASSERT_NE(decision, nullptr);
  EXPECT_NE(decision->reason.find("broken"), std::string::npos);
  facts_.seccomp_files.clear();
  EXPECT_NE(find(must_refuse(spec_, policy, facts_).decisions, "seccomp.pinned", Outcome::kRefused), nullptr);
}

TEST_F(PinnedRule, AnExceptionAddsToThePolicysOwn) {
  facts_.seccomp_files["/p.json"] = facts_.seccomp_files["/q.json"] = fact_;
  facts_.engine = "docker";
  Policy policy = pinning();
  Exception exception;
  exception.name = "n";
  exception.reason = "r";
  exception.match.engine = "docker";
  exception.seccomp_filters = {{"/q.json", ""}};
  policy.exceptions = {exception};
  EXPECT_EQ(must_pass(spec_, policy, facts_).controls().seccomp_filters.size(), 2U);
  facts_.engine = "cri";
  EXPECT_EQ(must_pass(spec_, policy, facts_).controls().seccomp_filters.size(), 1U);
}

}  // namespace
}  // namespace gabion::policy::test
