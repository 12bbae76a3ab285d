// Root in the container is nobody on the host: every container gets an id range of its own.
#include <algorithm>

#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

std::string describe(const std::vector<oci::IdMapping>& mappings) {
  std::string text;
  for (const oci::IdMapping& mapping : mappings) {
    if (!text.empty()) text += ", ";
    text += std::to_string(mapping.container_id) + " to " + std::to_string(mapping.host_id) + " size " +
            std::to_string(mapping.size);
  }
  return text.empty() ? "a new user namespace" : "ids " + text;
}

bool has_mappings(const oci::Spec& spec) {
  return !spec.linux_.uid_mappings.empty() || !spec.linux_.gid_mappings.empty();
}

bool overlaps(const std::vector<oci::IdMapping>& mappings, const IdRange& range) {
  return std::any_of(mappings.begin(), mappings.end(), [&](const oci::IdMapping& entry) {
    return entry.size != 0 && entry.host_id < uint64_t{range.base} + range.count &&
           range.base < uint64_t{entry.host_id} + entry.size;
  });
}

// A pod's, whose ids its engine has chosen: they are the containers' in place of a range of the node's.
void judge_joined(const Policy& policy, const NamespaceFact& fact, oci::Spec& spec, Recorder& log) {
  if (overlaps(fact.uids, policy.ids) || overlaps(fact.gids, policy.ids)) {
    log.refuses(Rule::kNamespacesUser,
                {"linux", describe(fact.uids), "",
                 "these ids are among those that the node gives to other containers",
                 "give the engine's pods other ids (the kubelet's subordinate ids), or the policy another "
                 "\"ids\""});
    return;
  }
  const bool known = !fact.uids.empty() || !fact.gids.empty();
  if (!known || !has_mappings(spec) ||
      (spec.linux_.uid_mappings == fact.uids && spec.linux_.gid_mappings == fact.gids))
    return;
  if (!log.rewrites(Rule::kNamespacesUser, {"linux", describe(spec.linux_.uid_mappings), describe(fact.uids),
                                            "the mappings are not those of the user namespace that is joined",
                                            "say the namespace's own, or none"})) {
    return;
  }
  spec.linux_.uid_mappings = fact.uids;
  spec.linux_.gid_mappings = fact.gids;
}

}  // namespace

void judge_user_namespace(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log) {
  if (!policy.user_namespace) return;
  oci::Spec& spec = draft.spec;
  const oci::Namespace* user = find_namespace(spec, oci::NamespaceType::kUser);
  if (user != nullptr && !user->path.empty() && has_own_namespace(spec, facts, oci::NamespaceType::kUser)) {
    const auto fact = facts.namespaces.find(user->path);
    if (fact != facts.namespaces.end()) judge_joined(policy, fact->second, spec, log);
    return;
  }

  if (user == nullptr && !has_mappings(spec)) {
    draft.controls.own_user_namespace = true;
    return;
  }
  const bool host = user != nullptr && !user->path.empty();
  const Finding finding = {
      "linux", host ? "the host's user namespace (" + user->path + ")" : describe(spec.linux_.uid_mappings),
      "an id range of its own",
      "ids are given out by the node, one range to one container, so that no two "
      "containers and no host user share an id",
      "leave linux.uidMappings, linux.gidMappings and the user namespace out"};
  if (!log.rewrites(Rule::kNamespacesUser, finding)) return;
  std::erase_if(spec.linux_.namespaces,
                [](const oci::Namespace& entry) { return entry.type == oci::NamespaceType::kUser; });
  spec.linux_.uid_mappings.clear();
  spec.linux_.gid_mappings.clear();
  draft.controls.own_user_namespace = true;
}

}  // namespace gabion::policy
