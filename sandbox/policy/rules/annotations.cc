// Annotations come from images, pods and command lines: authors the node does not trust
// (containerd CVE-2026-53488, CVE-2026-53492). gabion's own are reported; none relaxes anything.
#include "policy/rules/rules.h"

namespace gabion::policy {

void judge_annotations(Draft& draft, Recorder& log) {
  std::vector<std::pair<std::string, std::string>> kept;
  for (auto& entry : draft.spec.annotations) {
    if (entry.first.starts_with("dev.gabion.") &&
        log.rewrites(Rule::kAnnotationsIgnored,
                     {"annotations." + entry.first, entry.second, "",
                      "an annotation is a request by an untrusted author: it is not acted upon",
                      "set it in /etc/gabion/policy.json"})) {
      continue;
    }
    kept.push_back(std::move(entry));
  }
  draft.spec.annotations = std::move(kept);
}

}  // namespace gabion::policy
