// What the policy tests share: the specifications real engines sent, and facts of a plausible host.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "oci/spec.h"
#include "policy/facts.h"
#include "policy/harden.h"
#include "policy/policy.h"

namespace gabion::policy::test {

inline const std::vector<std::string> kEngineSpecs = {"docker-20.10-default", "docker-28.5-default",
                                                      "ctr-default",          "podman-5.8-default",
                                                      "cri2.3-sandbox",       "cri2.3-container"};

oci::Spec engine_spec(const std::string& name);
// Every bind source is there and is what its name says, every namespace path is another container's,
// hooks resolve to Docker's daemon.
HostFacts plausible_facts(const oci::Spec& spec);
// A tier that knows where the engines of the recorded specs kept their files.
Policy tier(std::string_view name);
// `extends` restricted with more keys, as in a policy file.
Policy restricted_with(const std::string& members);

// Fails the test when the other alternative comes out.
HardenedSpec must_pass(const oci::Spec& spec, const Policy& policy, const HostFacts& facts);
Refusal must_refuse(const oci::Spec& spec, const Policy& policy, const HostFacts& facts);

// The decision of this rule with the given outcome, or nullptr.
const Decision* find(const std::vector<Decision>& decisions, std::string_view rule, Outcome outcome);
bool contains(const std::vector<std::string>& list, std::string_view item);
std::string print(const std::vector<Decision>& decisions);

oci::Mount bind(std::string source, std::string destination,
                std::vector<std::string> options = {"rbind", "rprivate"});
void add_source(HostFacts& facts, const std::string& source, const std::string& resolved,
                SourceKind kind = SourceKind::kDirectory, const std::string& filesystem = "ext4");

}  // namespace gabion::policy::test
