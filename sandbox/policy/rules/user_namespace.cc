// Root in the container is nobody on the host: every container gets an id range of its own.
#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

std::string describe(const oci::Spec& spec) {
  std::string text;
  for (const oci::IdMapping& mapping : spec.linux_.uid_mappings) {
    if (!text.empty()) text += ", ";
    text += std::to_string(mapping.container_id) + " to " + std::to_string(mapping.host_id) + " size " +
            std::to_string(mapping.size);
  }
  return text.empty() ? "a new user namespace" : "ids " + text;
}

bool has_mappings(const oci::Spec& spec) {
  return !spec.linux_.uid_mappings.empty() || !spec.linux_.gid_mappings.empty();
}

}  // namespace

void judge_user_namespace(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log) {
  if (!policy.user_namespace) return;
  oci::Spec& spec = draft.spec;
  const oci::Namespace* user = find_namespace(spec, oci::NamespaceType::kUser);
  // A pod's user namespace is joined by every container of the pod: it stays, with its mappings.
  if (user != nullptr && !user->path.empty() && has_own_namespace(spec, facts, oci::NamespaceType::kUser))
    return;

  if (user == nullptr && !has_mappings(spec)) {
    draft.controls.own_user_namespace = true;
    return;
  }
  const bool host = user != nullptr && !user->path.empty();
  const Finding finding = {"linux", host ? "the host's user namespace (" + user->path + ")" : describe(spec),
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
