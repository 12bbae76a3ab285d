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
    auto verdict = harden_process(asked_, running_, policy_);
    if (auto* refusal = std::get_if<Refusal>(&verdict)) {
      ADD_FAILURE() << refusal_message(refusal->decisions);
      verdict = harden_process(asked_, running_, Policy{});
    }
    return std::get<HardenedProcess>(verdict);
  }
  Policy policy_ = tier("restricted");
  oci::Process asked_;
  oci::Process running_;
};

TEST_F(Exec, GetsNoMoreThanTheContainer) {
  const HardenedProcess hardened = passes();
  EXPECT_EQ(hardened.process().capabilities->bounding, running_.capabilities->bounding);
  EXPECT_TRUE(hardened.process().no_new_privileges);
  EXPECT_EQ(hardened.process().rlimits.back(), (oci::Rlimit{"RLIMIT_CORE", 1, 1}));
  auto again = harden_process(hardened.process(), running_, policy_);
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
  policy_.exceptions[0].capabilities = {"CAP_NET_ADMIN", "CAP_SYS_TIME"};
  running_.capabilities->bounding = {"CAP_KILL", "CAP_NET_ADMIN"};
  asked_.capabilities->bounding = {"CAP_NET_ADMIN", "CAP_SYS_TIME", "CAP_CHOWN"};
  EXPECT_EQ(passes().process().capabilities->bounding, std::vector<std::string>{"CAP_NET_ADMIN"});
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
  const auto verdict = harden_process(asked_, running_, policy_);
  ASSERT_TRUE(std::holds_alternative<Refusal>(verdict));
  EXPECT_NE(find(std::get<Refusal>(verdict).decisions, "process.cwd", Outcome::kRefused), nullptr);
}

TEST_F(Exec, IsRefusedWhereThePolicyHasNone) {
  const auto verdict = harden_process(asked_, running_, tier("maximum"));
  ASSERT_TRUE(std::holds_alternative<Refusal>(verdict));
  EXPECT_NE(find(std::get<Refusal>(verdict).decisions, "exec.allowed", Outcome::kRefused), nullptr);
}

TEST_F(Exec, PassthroughChangesNothing) {
  const auto verdict = harden_process(asked_, running_, *builtin_policy("passthrough"));
  EXPECT_EQ(std::get<HardenedProcess>(verdict).process(), asked_);
}

HostFacts host() {
  HostFacts facts;
  facts.memory_bytes = uint64_t{8} << 30;
  return facts;
}

oci::Resources update(const oci::Resources& asked) {
  auto verdict = harden_resources(asked, tier("restricted"), host());
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

TEST(Update, CannotOpenDevices) {
  oci::Resources asked;
  asked.devices = {{true, "a", {}, {}, "rwm"}};
  const oci::Resources got = update(asked);
  ASSERT_FALSE(got.devices.empty());
  EXPECT_EQ(got.devices[0], (oci::DeviceRule{false, "", {}, {}, "rwm"}));
}

TEST(Update, AShareOfAnUnknownMemoryIsRefused) {
  oci::Resources asked;
  asked.memory.emplace().limit = 1 << 20;
  Policy policy = tier("restricted");
  policy.set_mode(Rule::kResourcesMemory, Mode::kWarn);
  EXPECT_TRUE(std::holds_alternative<Refusal>(harden_resources(asked, policy, HostFacts{})));
}

}  // namespace
}  // namespace gabion::policy::test
