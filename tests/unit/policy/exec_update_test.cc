// exec and update are creations too: the same ceilings, and never more than the container has.
#include <gtest/gtest.h>

#include "policy/reader.h"
#include "support.h"

namespace gabion::policy::test {
namespace {

class Exec : public testing::Test {
 protected:
  void SetUp() override {
    const oci::Spec spec = engine_spec("docker-20.10-default");
    asked_ = *spec.process;
    running_ = *must_pass(spec, policy_, plausible_facts(spec)).spec().process;
  }
  HardenedProcess passes() {
    auto verdict = harden_process(asked_, running_, policy_, exceptions_);
    if (auto* refusal = std::get_if<Refusal>(&verdict)) {
      ADD_FAILURE() << refusal_message(refusal->decisions);
      verdict = harden_process(asked_, running_, Policy{}, {});
    }
    return std::get<HardenedProcess>(verdict);
  }
  Policy policy_ = tier("restricted");
  std::vector<MatchedException> exceptions_;  // of the container
  oci::Process asked_;
  oci::Process running_;
};

TEST_F(Exec, GetsNoMoreThanTheContainer) {
  const HardenedProcess hardened = passes();
  EXPECT_EQ(hardened.process().capabilities->bounding, running_.capabilities->bounding);
  EXPECT_TRUE(hardened.process().no_new_privileges);
  EXPECT_EQ(hardened.process().rlimits.back(), (oci::Rlimit{"RLIMIT_CORE", 1, 1}));
  auto again = harden_process(hardened.process(), running_, policy_, exceptions_);
  EXPECT_EQ(std::get<HardenedProcess>(again).process(), hardened.process());
  EXPECT_TRUE(std::get<HardenedProcess>(again).decisions().empty());
}

TEST_F(Exec, PrivilegedIsCutToTheContainersOwnSet) {
  running_.capabilities->bounding = {"CAP_KILL", "CAP_NET_ADMIN"};  // no exception of this policy grants it
  asked_.capabilities->bounding =
      asked_.capabilities->ambient = {"CAP_SYS_ADMIN", "CAP_KILL", "CAP_CHOWN", "CAP_NET_ADMIN"};
  const HardenedProcess hardened = passes();
  EXPECT_EQ(hardened.process().capabilities->bounding, std::vector<std::string>{"CAP_KILL"});
  EXPECT_TRUE(hardened.process().capabilities->ambient.empty());
}

TEST_F(Exec, KeepsWhatAnExceptionGaveTheContainer) {
  policy_.exceptions.resize(1);
  policy_.exceptions[0].name = "network";
  policy_.exceptions[0].capabilities = {"CAP_NET_ADMIN", "CAP_SYS_TIME"};
  running_.capabilities->bounding = {"CAP_KILL", "CAP_NET_ADMIN"};
  asked_.capabilities->bounding = {"CAP_NET_ADMIN", "CAP_SYS_TIME", "CAP_CHOWN"};
  policy_.exceptions[0].sha256 = "ab";
  exceptions_ = {{"network", "ab"}};
  const HardenedProcess hardened = passes();
  EXPECT_EQ(hardened.process().capabilities->bounding, std::vector<std::string>{"CAP_NET_ADMIN"});
  EXPECT_NE(find(hardened.decisions(), "exception", Outcome::kKept), nullptr);
  exceptions_ = {{"another", "ab"}};  // what another container has been granted is not this one's
  EXPECT_TRUE(passes().process().capabilities->bounding.empty());
  exceptions_ = {{"network", "cd"}};  // nor is what goes by its name now
  EXPECT_TRUE(passes().process().capabilities->bounding.empty());
}

TEST_F(Exec, RulesOfAnExceptionReachIt) {
  policy_.exceptions.resize(1);
  policy_.exceptions[0].name = "setuid";
  policy_.exceptions[0].rules = {{Rule::kProcessNoNewPrivileges, Mode::kWarn}};
  running_.no_new_privileges = asked_.no_new_privileges = false;
  EXPECT_TRUE(passes().process().no_new_privileges);
  exceptions_ = {{"setuid", ""}};
  EXPECT_FALSE(passes().process().no_new_privileges);
  policy_.exceptions.clear();  // taken out of the policy since
  EXPECT_TRUE(passes().process().no_new_privileges);
}

// A warning is about what the policy gives; what the container has is the end of it.
TEST_F(Exec, NoModeGivesMoreThanTheContainerHas) {
  for (const Mode mode : {Mode::kRewrite, Mode::kRefuse, Mode::kWarn}) {
    for (const Rule rule :
         {Rule::kCapabilitiesCeiling, Rule::kCapabilitiesInheritable, Rule::kCapabilitiesExplicit,
          Rule::kProcessNoNewPrivileges, Rule::kProcessLabel}) {
      policy_.set_mode(rule, mode);
    }
    const auto tried = [&](const oci::Process& asked) {
      const auto verdict = harden_process(asked, running_, policy_, exceptions_);
      const auto* refusal = std::get_if<Refusal>(&verdict);
      EXPECT_EQ(refusal != nullptr, mode == Mode::kRefuse);
      return refusal != nullptr ? running_ : std::get<HardenedProcess>(verdict).process();
    };
    running_.apparmor_profile = "web";
    running_.capabilities->bounding = {"CAP_KILL"};
    oci::Process base = running_;
    base.capabilities = oci::Capabilities{};
    oci::Process asked = base;
    asked.capabilities->bounding = asked.capabilities->ambient = {"CAP_SYS_ADMIN"};
    EXPECT_FALSE(contains(tried(asked).capabilities->bounding, "CAP_SYS_ADMIN"));
    EXPECT_TRUE(tried(asked).capabilities->ambient.empty());
    asked = base;
    asked.no_new_privileges = false;
    EXPECT_TRUE(tried(asked).no_new_privileges);
    asked = base;
    asked.apparmor_profile = "unconfined";
    EXPECT_EQ(tried(asked).apparmor_profile, "web");
  }
}

TEST_F(Exec, NoNewPrivilegesAndLabelsAreNeverWeaker) {
  policy_.set_mode(Rule::kProcessNoNewPrivileges, Mode::kWarn);
  running_.apparmor_profile = "web";
  running_.selinux_label = "system_u:system_r:container_t:s0";
  asked_.apparmor_profile = "unconfined";
  const HardenedProcess hardened = passes();
  EXPECT_TRUE(hardened.process().no_new_privileges);
  EXPECT_EQ(hardened.process().apparmor_profile, "web");
  EXPECT_EQ(hardened.process().selinux_label, running_.selinux_label);
}

TEST_F(Exec, WorkingDirectoryInProcIsRefused) {
  asked_.cwd = "/proc/self/fd/8";
  const auto verdict = harden_process(asked_, running_, policy_, exceptions_);
  ASSERT_TRUE(std::holds_alternative<Refusal>(verdict));
  EXPECT_NE(find(std::get<Refusal>(verdict).decisions, "process.cwd", Outcome::kRefused), nullptr);
}

TEST_F(Exec, IsRefusedWhereThePolicyHasNone) {
  const auto verdict = harden_process(asked_, running_, tier("maximum"), {});
  ASSERT_TRUE(std::holds_alternative<Refusal>(verdict));
  EXPECT_NE(find(std::get<Refusal>(verdict).decisions, "exec.allowed", Outcome::kRefused), nullptr);
}

TEST_F(Exec, PassthroughChangesNothing) {
  const auto verdict = harden_process(asked_, running_, *builtin_policy("passthrough"), {});
  EXPECT_EQ(std::get<HardenedProcess>(verdict).process(), asked_);
}

HostFacts host() {
  HostFacts facts;
  facts.memory_bytes = uint64_t{8} << 30;
  return facts;
}

oci::Resources update(const oci::Resources& asked) {
  auto verdict = harden_resources(asked, {}, tier("restricted"), {}, host());
  if (auto* refusal = std::get_if<Refusal>(&verdict)) {
    ADD_FAILURE() << refusal_message(refusal->decisions);
    return {};
  }
  return std::get<HardenedResources>(verdict).resources();
}

TEST(Update, LeavesAloneWhatItDoesNotName) {
  EXPECT_EQ(update({}), oci::Resources{});
  oci::Resources shares;
  shares.cpu.emplace().shares = 512;
  EXPECT_EQ(update(shares), shares);
}

TEST(Update, CannotLiftACeiling) {
  const uint64_t ceiling = tier("restricted").memory.of(host().memory_bytes);
  oci::Resources asked;
  asked.pids_limit = -1;
  asked.memory.emplace().limit = -1;
  asked.unified = {{"memory.max", "max"}, {"pids.max", "99999"}, {"cpu.weight", "5"}};
  const oci::Resources got = update(asked);
  EXPECT_EQ(got.pids_limit, 4096);
  EXPECT_EQ(got.memory->limit, static_cast<int64_t>(ceiling));
  EXPECT_EQ(got.unified[0].second, std::to_string(ceiling));
  EXPECT_EQ(got.unified[1].second, "4096");
  EXPECT_EQ(got.unified[2].second, "5");
  asked.pids_limit = 10;
  asked.memory->limit = 64 << 20;
  asked.unified = {{"memory.max", "32m"}, {"pids.max", "5"}};
  EXPECT_EQ(update(asked), asked);
}

// Device rules are made when a container is created; the decision must not tell of others.
TEST(Update, CannotOpenDevices) {
  oci::Resources running;
  running.devices = {{false, "", {}, {}, "rwm"}};
  oci::Resources asked;
  asked.devices = {{true, "a", {}, {}, "rwm"}};
  Policy policy = tier("restricted");
  for (const Mode mode : {Mode::kRewrite, Mode::kWarn}) {
    policy.set_mode(Rule::kDevicesCgroup, mode);
    const auto verdict = harden_resources(asked, running, policy, {}, host());
    const auto& hardened = std::get<HardenedResources>(verdict);
    EXPECT_TRUE(hardened.resources().devices.empty());
    EXPECT_NE(find(hardened.decisions(), "devices.cgroup", Outcome::kDropped), nullptr);
  }
  policy.set_mode(Rule::kDevicesCgroup, Mode::kRefuse);
  EXPECT_TRUE(std::holds_alternative<Refusal>(harden_resources(asked, running, policy, {}, host())));
  // CRI sends them all back to change one number.
  const auto same = harden_resources(running, running, policy, {}, host());
  EXPECT_TRUE(std::get<HardenedResources>(same).decisions().empty());
}

TEST(Update, RulesOfAnExceptionReachIt) {
  Policy policy = tier("restricted");
  policy.exceptions.resize(1);
  policy.exceptions[0].name = "many";
  policy.exceptions[0].rules = {{Rule::kResourcesPids, Mode::kWarn}};
  oci::Resources asked;
  asked.pids_limit = 100000;
  const auto limit = [&](const std::vector<MatchedException>& exceptions) {
    const auto verdict = harden_resources(asked, {}, policy, exceptions, host());
    return *std::get<HardenedResources>(verdict).resources().pids_limit;
  };
  EXPECT_EQ(limit({}), 4096);
  EXPECT_EQ(limit({{"many", ""}}), 100000);
}

TEST(Update, AShareOfAnUnknownMemoryIsRefused) {
  oci::Resources asked;
  asked.memory.emplace().limit = 1 << 20;
  Policy policy = tier("restricted");
  policy.set_mode(Rule::kResourcesMemory, Mode::kWarn);
  EXPECT_TRUE(std::holds_alternative<Refusal>(harden_resources(asked, {}, policy, {}, HostFacts{})));
}

}  // namespace
}  // namespace gabion::policy::test
