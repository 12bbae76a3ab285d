// Mounts, one by one: source, destination, then options. The paths in decisions count the mounts as
// the specification lists them, also after one was dropped.
#include "policy/rules/rules.h"

namespace gabion::policy {

void judge_mounts(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log) {
  std::vector<oci::Mount> kept;
  kept.reserve(draft.spec.mounts.size());
  for (size_t i = 0; i < draft.spec.mounts.size(); ++i) {
    oci::Mount& mount = draft.spec.mounts[i];
    const std::string path = "mounts[" + std::to_string(i) + "]";
    if (!judge_mount_target(mount, path, log)) continue;
    if (!judge_mount_source(policy, facts, mount, path, log)) continue;
    judge_mount_options(policy, facts, draft.spec, mount, path, log);
    kept.push_back(mount);
  }
  judge_other_views(facts, kept, log);
  draft.spec.mounts = std::move(kept);
  draft.controls.tmpfs_bytes = policy.tmpfs_size;
}

}  // namespace gabion::policy
