// `--privileged` in all its spellings. Taken apart rule by rule it would give thirty objections; a
// person needs one, with the way out.
#include <algorithm>

#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

bool asks_for(const std::vector<std::string>& set, std::string_view capability) {
  return std::find(set.begin(), set.end(), capability) != set.end();
}

bool allows_every_device(const oci::Spec& spec) {
  if (!spec.linux_.resources) return false;
  const auto& rules = spec.linux_.resources->devices;
  return std::any_of(rules.begin(), rules.end(), [](const oci::DeviceRule& rule) {
    return rule.allow && (rule.type.empty() || rule.type == "a") && !rule.major && !rule.minor;
  });
}

}  // namespace

bool judge_privileged(const Draft& draft, Recorder& log) {
  const oci::Spec& spec = draft.spec;
  if (!spec.process || !spec.process->capabilities) return false;
  // Loading modules and SYS_ADMIN together are root on the host; an engine asks for both only when it
  // was told to ask for everything.
  const std::vector<std::string>& bounding = spec.process->capabilities->bounding;
  if (!asks_for(bounding, "CAP_SYS_ADMIN") || !asks_for(bounding, "CAP_SYS_MODULE")) return false;
  const bool unfiltered = !spec.linux_.seccomp && spec.linux_.masked_paths.empty();
  if (!unfiltered && !allows_every_device(spec)) return false;

  const std::string before = std::to_string(bounding.size()) + " capabilities" +
                             (unfiltered ? ", no system call filter, no masked paths" : "") +
                             (allows_every_device(spec) ? ", every device" : "");
  const bool go_on = log.rewrites(
      Rule::kPrivileged,
      {"process", before, "judged rule by rule", "a privileged container is root on the host",
       "run it without --privileged (Kubernetes: privileged: true); most images need none of it. "
       "Where one does, grant only that thing, a capability, a device or a host path, in an entry of "
       "\"exceptions\" in /etc/gabion/policy.json (docs/policy.md)"});
  // With a warning every other rule still has its say.
  return !go_on && log.refused();
}

}  // namespace gabion::policy
