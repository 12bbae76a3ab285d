// Every misconfiguration under the three modes: refused, rewritten so that it is gone, or left and warned
// about.
#include <gtest/gtest.h>

#include "misconfigurations_parts.h"

namespace gabion::policy::test {
namespace {

class Misconfiguration : public testing::TestWithParam<Row> {
 protected:
  void SetUp() override {
    spec_ = engine_spec("docker-20.10-default");
    facts_ = plausible_facts(spec_);
    policy_ = tier("restricted");
    if (GetParam().set_policy != nullptr) GetParam().set_policy(policy_);
    GetParam().break_it(spec_, facts_);
  }
  void set_mode(Mode mode) { policy_.set_mode(GetParam().rule, mode); }
  [[nodiscard]] std::string rule() const { return std::string(rule_name(GetParam().rule)); }

  oci::Spec spec_;
  HostFacts facts_;
  Policy policy_;
};

TEST_P(Misconfiguration, IsRefused) {
  set_mode(Mode::kRefuse);
  const Refusal refusal = must_refuse(spec_, policy_, facts_);
  const Decision* decision = find(refusal.decisions, rule(), Outcome::kRefused);
  ASSERT_NE(decision, nullptr) << print(refusal.decisions);
  EXPECT_FALSE(decision->reason.empty());
  EXPECT_FALSE(decision->path.empty());
  EXPECT_NE(refusal_message(refusal.decisions).find(rule()), std::string::npos);
  for (const Decision& other : refusal.decisions) {
    if (other.outcome != Outcome::kRefused) continue;
    EXPECT_EQ(other.rule, rule()) << "a second objection to one mistake";
  }
}

TEST_P(Misconfiguration, IsRewritten) {
  set_mode(Mode::kRewrite);
  if (!GetParam().rewritable) {
    const Refusal refusal = must_refuse(spec_, policy_, facts_);
    EXPECT_NE(find(refusal.decisions, rule(), Outcome::kRefused), nullptr) << print(refusal.decisions);
    return;
  }
  ASSERT_TRUE(GetParam().is_broken(spec_)) << "the row breaks nothing";
  const HardenedSpec hardened = must_pass(spec_, policy_, facts_);
  EXPECT_FALSE(GetParam().is_broken(hardened.spec()));
  EXPECT_TRUE(find(hardened.decisions(), rule(), Outcome::kTightened) != nullptr ||
              find(hardened.decisions(), rule(), Outcome::kDropped) != nullptr)
      << print(hardened.decisions());
}

TEST_P(Misconfiguration, IsWarnedAbout) {
  set_mode(Mode::kWarn);
  const HardenedSpec hardened = must_pass(spec_, policy_, facts_);
  EXPECT_NE(find(hardened.decisions(), rule(), Outcome::kWarned), nullptr) << print(hardened.decisions());
  // What several rules look at may still be rewritten by another of them.
  if (GetParam().rule == Rule::kPrivileged) return;
  EXPECT_TRUE(GetParam().is_broken(hardened.spec()));
}

std::string row_name(const testing::TestParamInfo<Row>& test) { return test.param.name; }
INSTANTIATE_TEST_SUITE_P(Mounts, Misconfiguration, testing::ValuesIn(kMountRows), row_name);
INSTANTIATE_TEST_SUITE_P(Process, Misconfiguration, testing::ValuesIn(kProcessRows), row_name);
INSTANTIATE_TEST_SUITE_P(Node, Misconfiguration, testing::ValuesIn(kNodeRows), row_name);

}  // namespace
}  // namespace gabion::policy::test
