#include "support.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "oci/reader.h"
#include "policy/reader.h"

namespace gabion::policy::test {
namespace {

// Where the engines whose specifications were recorded kept their files.
constexpr const char* kRecordedStores =
    R"("engineStores": ["...", "/c23/root", "/c23/state", "/c/d/root", "/c/pod/root", "/c/pod/run"])";
constexpr const char* kRecordedPaths = R"("allowedHostPaths": ["...", "/var/lib/engine"])";

SourceKind kind_of(const std::string& source) {
  for (const char* name : {"/resolv.conf", "/hostname", "/hosts", "/.containerenv"}) {
    if (source.ends_with(name)) return SourceKind::kFile;
  }
  return SourceKind::kDirectory;
}

HookFact daemon_hook() {
  HookFact fact;
  fact.resolved = "/usr/sbin/dockerd";
  fact.found = true;
  fact.mode = 0755;
  fact.trusted_parents = true;
  return fact;
}

}  // namespace

oci::Spec engine_spec(const std::string& name) {
  const std::string path = std::string(GABION_SOURCE_DIR) + "/tests/unit/oci/specs/config-" + name + ".json";
  const Result<std::string> text = read_file(path, 16U << 20);
  EXPECT_TRUE(text.ok()) << path;
  if (!text.ok()) return {};
  const Result<oci::Spec> spec = oci::parse_spec(*text, path);
  EXPECT_TRUE(spec.ok()) << spec.error().message();
  return spec.ok() ? *spec : oci::Spec{};
}

HostFacts plausible_facts(const oci::Spec& spec) {
  HostFacts facts;
  facts.bundle = "/run/bundle";
  facts.memory_bytes = uint64_t{8} << 30;
  for (const oci::Mount& mount : spec.mounts) {
    if (mount.type == "bind") add_source(facts, mount.source, mount.source, kind_of(mount.source));
  }
  for (const oci::Hook& hook : spec.hooks.prestart) facts.hooks[hook.path] = daemon_hook();
  facts.hooks[daemon_hook().resolved] = daemon_hook();
  for (const oci::Namespace& entry : spec.linux_.namespaces) {
    if (!entry.path.empty()) facts.namespaces[entry.path] = {true, false};
  }
  return facts;
}

Policy tier(std::string_view name) {
  const std::string paths =
      name == "restricted" || name == "maximum" ? std::string(", ") + kRecordedPaths : "";
  // passthrough looks at no path, and takes no keys.
  const std::string stores = name == "passthrough" ? "" : std::string(", ") + kRecordedStores;
  const std::string text = R"({"extends": ")" + std::string(name) + "\"" + stores + paths + "}";
  Result<Policy> policy = parse_policy(text, "test");
  EXPECT_TRUE(policy.ok()) << policy.error().message();
  return policy.ok() ? *policy : Policy{};
}

Policy restricted_with(const std::string& members) {
  Result<Policy> policy = parse_policy(R"({"extends": "restricted", )" + members + "}", "test");
  EXPECT_TRUE(policy.ok()) << policy.error().message();
  return policy.ok() ? *policy : Policy{};
}

HardenedSpec must_pass(const oci::Spec& spec, const Policy& policy, const HostFacts& facts) {
  auto verdict = harden(spec, policy, facts);
  if (auto* refusal = std::get_if<Refusal>(&verdict)) {
    ADD_FAILURE() << refusal_message(refusal->decisions);
    Policy passthrough;
    verdict = harden({}, passthrough, facts);
  }
  return std::get<HardenedSpec>(verdict);
}

Refusal must_refuse(const oci::Spec& spec, const Policy& policy, const HostFacts& facts) {
  auto verdict = harden(spec, policy, facts);
  if (auto* refusal = std::get_if<Refusal>(&verdict)) return *refusal;
  ADD_FAILURE() << "expected a refusal, got\n" << print(std::get<HardenedSpec>(verdict).decisions());
  return {};
}

const Decision* find(const std::vector<Decision>& decisions, std::string_view rule, Outcome outcome) {
  const auto found = std::find_if(decisions.begin(), decisions.end(), [&](const Decision& decision) {
    return decision.rule == rule && decision.outcome == outcome;
  });
  return found == decisions.end() ? nullptr : &*found;
}

bool contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

std::string print(const std::vector<Decision>& decisions) {
  std::string text;
  for (const Decision& decision : decisions) {
    text += std::string(outcome_name(decision.outcome)) + " " + decision.rule + " " + decision.path + "\n";
    text += "  before: " + decision.before + "\n  after:  " + decision.after +
            "\n  reason: " + decision.reason + "\n";
  }
  return text;
}

oci::Mount bind(std::string source, std::string destination, std::vector<std::string> options) {
  oci::Mount mount;
  mount.type = "bind";
  mount.source = std::move(source);
  mount.destination = std::move(destination);
  mount.options = std::move(options);
  return mount;
}

void add_source(HostFacts& facts, const std::string& source, const std::string& resolved, SourceKind kind,
                const std::string& filesystem) {
  facts.sources[source] = {resolved, kind, filesystem};
}

}  // namespace gabion::policy::test
