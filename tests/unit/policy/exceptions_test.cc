// Exceptions match what the engine or the node asserts, and nothing an image or a pod can write.
#include <gtest/gtest.h>

#include <algorithm>

#include "support.h"

namespace gabion::policy::test {
namespace {

Policy with_exception(const std::string& match, const std::string& grants) {
  return restricted_with(
      R"("engineStores": ["...", "/c23/*"], "allowedHostPaths": ["...", "/var/lib/engine"], "exceptions": [{"name": "x", )"
      R"("reason": "reviewed", "match": )" +
      match + ", " + grants + "}]");
}

class PodException : public testing::Test {
 protected:
  void SetUp() override {
    spec_ = engine_spec("cri2.3-container");
    spec_.process->capabilities.emplace().bounding = {"CAP_NET_ADMIN"};
    facts_ = plausible_facts(spec_);
    facts_.engine = "cri";
  }
  std::vector<std::string> bounding(const std::string& match) {
    const Policy policy = with_exception(match, R"("capabilities": ["CAP_NET_ADMIN"])");
    return must_pass(spec_, policy, facts_).spec().process->capabilities->bounding;
  }
  oci::Spec spec_;
  HostFacts facts_;
  const std::vector<std::string> granted_ = {"CAP_NET_ADMIN"};
};

TEST_F(PodException, MatchesWhatCriAsserts) {
  EXPECT_EQ(bounding(R"({"kubernetesNamespace": "ns1", "kubernetesPod": "pod*", "kubernetesContainer": "c1",
                         "kubernetesImage": "docker.io/library/bb:*"})"),
            granted_);
  for (const char* other : {R"({"kubernetesNamespace": "ns2"})", R"({"kubernetesContainer": "c"})",
                            R"({"kubernetesNamespace": "ns1", "engine": "docker"})",
                            R"({"kubernetesNamespace": "ns1", "bundle": "/elsewhere/*"})"}) {
    EXPECT_TRUE(bounding(other).empty()) << other;
  }
}

TEST_F(PodException, IsNotBelievedFromAnotherEngine) {
  for (const char* engine : {"", "docker", "containerd", "podman"}) {
    facts_.engine = engine;
    EXPECT_TRUE(bounding(R"({"kubernetesNamespace": "ns1"})").empty()) << engine;
  }
}

TEST_F(PodException, IsRecorded) {
  const Policy policy = with_exception(R"({"engine": "cri"})", R"("capabilities": ["CAP_NET_ADMIN"])");
  const HardenedSpec hardened = must_pass(spec_, policy, facts_);
  const Decision* decision = find(hardened.decisions(), "exception", Outcome::kKept);
  ASSERT_NE(decision, nullptr);
  EXPECT_EQ(decision->after, "x");
  EXPECT_EQ(decision->reason, "reviewed");
}

TEST(Exception, GrantsHostNetwork) {
  oci::Spec spec = engine_spec("docker-20.10-default");
  std::erase_if(spec.linux_.namespaces,
                [](const oci::Namespace& entry) { return entry.type == oci::NamespaceType::kNetwork; });
  spec.linux_.sysctl.clear();
  HostFacts facts = plausible_facts(spec);
  facts.engine = "docker";
  const Policy policy = with_exception(R"({"engine": "docker"})", R"("hostNetwork": true)");
  const HardenedSpec hardened = must_pass(spec, policy, facts);
  EXPECT_NE(find(hardened.decisions(), "namespaces.host_network", Outcome::kKept), nullptr);
  EXPECT_FALSE(hardened.controls().unprivileged_low_ports) << "the host's own ports are the host's to rule";
  facts.engine = "podman";
  (void)must_refuse(spec, policy, facts);
}

TEST(Exception, GrantsADeviceAndAHostPath) {
  oci::Spec spec = engine_spec("docker-20.10-default");
  spec.linux_.devices.push_back({"c", "/dev/fuse", 10, 229, {}, {}, {}});
  spec.mounts.push_back(bind("/pool/x", "/x"));
  HostFacts facts = plausible_facts(spec);
  facts.bundle = "/run/engine/web-1";
  const Policy policy = with_exception(R"({"bundle": "/run/engine/web-*"})",
                                       R"("allowedHostPaths": ["/pool"],
                                          "devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}])");
  const HardenedSpec hardened = must_pass(spec, policy, facts);
  EXPECT_EQ(hardened.spec().linux_.devices.size(), 1U);
  const auto& rules = hardened.spec().linux_.resources->devices;
  EXPECT_TRUE(std::any_of(rules.begin(), rules.end(), [](const oci::DeviceRule& rule) {
    return rule.allow && rule.major == 10 && rule.minor == 229 && rule.access == "rw";
  }));
  facts.bundle = "/run/engine/db-1";
  (void)must_refuse(spec, policy, facts);
}

TEST(Exception, IsRememberedByAllItSays) {
  const auto of = [](const std::string& match, const std::string& grants) {
    return with_exception(match, grants).exceptions[0].sha256;
  };
  const std::string one = of(R"({"engine": "docker"})", R"("hostNetwork": true)");
  EXPECT_EQ(one.size(), 64U);
  EXPECT_EQ(one, of(R"({ "engine" :"docker"} )", R"( "hostNetwork":true )"));
  EXPECT_NE(one, of(R"({"engine": "docker"})", R"("hostNetwork": false)"));
  EXPECT_NE(one, of(R"({"engine": "cri"})", R"("hostNetwork": true)"));
  const oci::Spec spec = engine_spec("docker-20.10-default");
  HostFacts facts = plausible_facts(spec);
  facts.engine = "docker";
  const Policy policy = with_exception(R"({"engine": "docker"})", R"("hostNetwork": true)");
  EXPECT_EQ(must_pass(spec, policy, facts).controls().exceptions,
            (std::vector<MatchedException>{{"x", one}}));
}

TEST(Exception, ChangesTheModeOfARule) {
  const oci::Spec spec = engine_spec("docker-20.10-default");
  HostFacts facts = plausible_facts(spec);
  facts.engine = "docker";
  const Policy policy = with_exception(R"({"engine": "docker"})", R"("rules": {"rootfs.readonly": "warn"})");
  const HardenedSpec hardened = must_pass(spec, policy, facts);
  EXPECT_FALSE(hardened.spec().root->readonly);
  EXPECT_TRUE(hardened.controls().volatile_paths.empty());
}

TEST(Hooks, OnlyTheDaemonItselfWithTheRightArguments) {
  const oci::Spec base = engine_spec("docker-20.10-default");
  const HostFacts good = plausible_facts(base);
  EXPECT_EQ(must_pass(base, tier("restricted"), good).spec().hooks.prestart[0].path, "/usr/sbin/dockerd");

  const std::string path = base.hooks.prestart[0].path;
  const auto refused = [&](auto change) {
    oci::Spec spec = base;
    HostFacts facts = good;
    change(spec.hooks.prestart[0], facts.hooks[path]);
    const Refusal refusal = must_refuse(spec, tier("restricted"), facts);
    EXPECT_NE(find(refusal.decisions, "hooks.allowed", Outcome::kRefused), nullptr);
  };
  refused([](oci::Hook& hook, HookFact&) { hook.args[0] = "docker-untar"; });
  refused([](oci::Hook& hook, HookFact&) { hook.args.emplace_back("more"); });
  refused([](oci::Hook& hook, HookFact&) { hook.args[2] = "short"; });
  refused([](oci::Hook&, HookFact& fact) { fact.found = false; });
  refused([](oci::Hook&, HookFact& fact) { fact.uid = 1000; });
  refused([](oci::Hook&, HookFact& fact) { fact.mode = 0775; });
  refused([](oci::Hook&, HookFact& fact) { fact.trusted_parents = false; });
  refused([](oci::Hook&, HookFact& fact) { fact.resolved = "/usr/sbin/dockerd (deleted)"; });
  refused([](oci::Hook&, HookFact& fact) { fact.resolved = "/tmp/usr/sbin/dockerd"; });

  oci::Spec late = base;
  std::swap(late.hooks.prestart, late.hooks.start_container);
  (void)must_refuse(late, tier("restricted"), good);
}

TEST(Hooks, APinnedHashMustMatch) {
  const oci::Spec spec = engine_spec("docker-20.10-default");
  HostFacts facts = plausible_facts(spec);
  const std::string hash(64, 'a');
  Policy policy = tier("restricted");
  policy.hooks[0].sha256 = hash;
  (void)must_refuse(spec, policy, facts);
  facts.hooks[spec.hooks.prestart[0].path].sha256 = hash;
  (void)must_pass(spec, policy, facts);
}

TEST(Namespaces, OneThatIsNotThereIsRefusedInEveryMode) {
  oci::Spec spec = engine_spec("docker-20.10-default");
  spec.linux_.namespaces.push_back({oci::NamespaceType::kCgroup, "/proc/999/ns/cgroup"});
  Policy policy = tier("restricted");
  for (const Mode mode : {Mode::kRewrite, Mode::kRefuse, Mode::kWarn}) {
    policy.set_mode(Rule::kNamespacesJoin, mode);
    (void)must_refuse(spec, policy, plausible_facts(engine_spec("docker-20.10-default")));
  }
}

TEST(Namespaces, APodsUserNamespaceIsJoinedWithItsMappings) {
  oci::Spec spec = engine_spec("cri2.3-container");
  spec.linux_.namespaces.push_back({oci::NamespaceType::kUser, "/proc/11981/ns/user"});
  spec.linux_.uid_mappings = spec.linux_.gid_mappings = {{0, 65536, 65536}};
  for (oci::Mount& mount : spec.mounts) {
    if (mount.destination == "/etc/hosts") mount.uid_mappings = mount.gid_mappings = {{0, 65536, 65536}};
    if (mount.destination == "/etc/hostname") mount.uid_mappings = {{0, 0, 1}};
  }
  const HardenedSpec hardened = must_pass(spec, tier("restricted"), plausible_facts(spec));
  EXPECT_FALSE(hardened.controls().own_user_namespace);
  EXPECT_EQ(hardened.spec().linux_.uid_mappings, spec.linux_.uid_mappings);
  for (const oci::Mount& mount : hardened.spec().mounts) {
    if (mount.destination == "/etc/hosts") {
      EXPECT_EQ(mount.uid_mappings.size(), 1U);
    }
    if (mount.destination == "/etc/hostname") {
      EXPECT_TRUE(mount.uid_mappings.empty());
    }
  }
}

TEST(Namespaces, AJoinedUserNamespacesOwnMappingsCount) {
  oci::Spec spec = engine_spec("cri2.3-container");
  spec.linux_.namespaces.push_back({oci::NamespaceType::kUser, "/proc/11981/ns/user"});
  spec.linux_.uid_mappings = spec.linux_.gid_mappings = {{0, 65536, 65536}};
  HostFacts facts = plausible_facts(spec);
  NamespaceFact& joined = facts.namespaces.at("/proc/11981/ns/user");
  joined.uids = joined.gids = {{0, 131072, 65536}};
  const HardenedSpec hardened = must_pass(spec, tier("restricted"), facts);
  EXPECT_EQ(hardened.spec().linux_.uid_mappings, joined.uids);
  EXPECT_EQ(hardened.spec().linux_.gid_mappings, joined.gids);
}

TEST(Namespaces, IdsThatTheNodeGivesOutAreRefusedToAPod) {
  oci::Spec spec = engine_spec("cri2.3-container");
  spec.linux_.namespaces.push_back({oci::NamespaceType::kUser, "/proc/11981/ns/user"});
  HostFacts facts = plausible_facts(spec);
  NamespaceFact& joined = facts.namespaces.at("/proc/11981/ns/user");
  Policy policy = tier("restricted");
  const IdRange ids = policy.ids;
  for (const Mode mode : {Mode::kRewrite, Mode::kRefuse, Mode::kWarn}) {
    policy.set_mode(Rule::kNamespacesUser, mode);
    for (const uint32_t first : {ids.base - 1, ids.base, ids.base + ids.count - 1}) {
      joined.uids = {{0, 65536, 65536}};
      joined.gids = {{0, first, 2}};
      (void)must_refuse(spec, policy, facts);
    }
    for (const uint32_t first : {ids.base - 2, ids.base + ids.count}) {
      joined.uids = joined.gids = {{0, first, 2}};
      (void)must_pass(spec, policy, facts);
    }
  }
}

TEST(Namespaces, AJoinedNetworkKeepsItsOwnSettings) {
  oci::Spec spec =
      engine_spec("cri2.3-sandbox");  // a network namespace by path, NET_RAW and NET_BIND_SERVICE
  const HardenedSpec hardened = must_pass(spec, tier("restricted"), plausible_facts(spec));
  EXPECT_FALSE(hardened.controls().unprivileged_ping);
  EXPECT_FALSE(hardened.controls().unprivileged_low_ports);
  EXPECT_EQ(hardened.spec().linux_.sysctl, spec.linux_.sysctl)
      << "net.* of a namespace that is not the host's";
}

}  // namespace
}  // namespace gabion::policy::test
