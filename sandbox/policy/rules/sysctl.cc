// Only sysctls that belong to the container's own namespaces, and values that are plain.
#include <algorithm>

#include "base/text.h"
#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

// The name becomes a path below /proc/sys: no '/', and no empty part that a ".." would need.
bool is_plain_name(std::string_view name) {
  const std::string allowed = std::string(kAlphabet) + "._-";
  return !name.empty() && name.find_first_not_of(allowed) == std::string_view::npos &&
         name.find("..") == std::string_view::npos && name.front() != '.' && name.back() != '.';
}

// CVE-2022-0811: "+" and "=" in a value set a second, unchecked sysctl.
bool is_plain_value(std::string_view value) {
  const std::string allowed = std::string(kAlphabet) + " \t.,:_-";
  return value.find_first_not_of(allowed) == std::string_view::npos;
}

bool is_network(std::string_view name) { return name.starts_with("net."); }

std::string object_to_name(const Policy& policy, const HostFacts& facts, const oci::Spec& spec,
                           const std::string& name) {
  if (!is_plain_name(name)) return "the name is not a plain dotted one";
  const auto allows = [&](const std::string& pattern) { return glob_match(pattern, name); };
  if (std::none_of(policy.sysctls.begin(), policy.sysctls.end(), allows)) {
    return "it is not among the sysctls of a container's own namespaces";
  }
  const oci::NamespaceType needed =
      is_network(name) ? oci::NamespaceType::kNetwork : oci::NamespaceType::kIpc;
  if (!has_own_namespace(spec, facts, needed)) {
    return "it would change the host's: the container shares the host's " +
           std::string(namespace_name(needed)) + " namespace";
  }
  return "";
}

}  // namespace

void judge_sysctls(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log) {
  auto& all = draft.spec.linux_.sysctl;
  std::vector<std::pair<std::string, std::string>> kept;
  for (auto& entry : all) {
    const std::string path = "linux.sysctl." + entry.first;
    const std::string name_reason = object_to_name(policy, facts, draft.spec, entry.first);
    if (!name_reason.empty() && log.rewrites(Rule::kSysctlName, {path, entry.second, "", name_reason,
                                                                 "set it on the node, or leave it out"})) {
      continue;
    }
    if (!is_plain_value(entry.second) &&
        log.rewrites(Rule::kSysctlValue,
                     {path, "(unprintable or separators)", "",
                      "a value with +, = or a line break has set other sysctls (CVE-2022-0811)",
                      "use a plain value"})) {
      continue;
    }
    kept.push_back(std::move(entry));
  }
  all = std::move(kept);
}

}  // namespace gabion::policy
