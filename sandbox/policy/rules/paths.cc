// Masked and read-only paths: the specification's and the policy's, together.
#include <algorithm>

#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

void unite(Rule rule, std::vector<std::string>& list, const std::vector<std::string>& required,
           const std::string& path, std::string_view reason, Recorder& log) {
  std::vector<std::string> missing;
  for (const std::string& entry : required) {
    if (std::find(list.begin(), list.end(), entry) == list.end()) missing.push_back(entry);
  }
  if (missing.empty()) return;
  if (log.rewrites(rule, {path, list.empty() ? "" : std::to_string(list.size()) + " paths",
                          "added " + word_list(missing), std::string(reason), "list them"})) {
    list.insert(list.end(), missing.begin(), missing.end());
  }
}

}  // namespace

void judge_paths(const Policy& policy, Draft& draft, Recorder& log) {
  oci::Linux& section = draft.spec.linux_;
  unite(Rule::kPathsMasked, section.masked_paths, policy.masked_paths, "linux.maskedPaths",
        "these files tell of the host's kernel and hardware, or change them", log);
  unite(Rule::kPathsReadonly, section.readonly_paths, policy.readonly_paths, "linux.readonlyPaths",
        "writing to these changes the host", log);
}

}  // namespace gabion::policy
