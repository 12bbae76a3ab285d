// Capabilities never exceed the policy's ceiling, and none survives an execve(2) by inheritance.
#include <algorithm>

#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

using Names = std::vector<std::string>;

bool holds(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string short_list(const Names& names) {
  Names bare;
  for (const std::string& name : names) bare.push_back(name.starts_with("CAP_") ? name.substr(4) : name);
  return word_list(bare);
}

Names intersection(const Names& asked, const Names& ceiling) {
  Names kept;
  for (const std::string& name : asked) {
    if (holds(ceiling, name)) kept.push_back(name);
  }
  return kept;
}

void cut(Names& set, const Names& ceiling, std::string_view ceiling_name, const std::string& path,
         Recorder& log) {
  Names kept = intersection(set, ceiling);
  if (kept.size() == set.size()) return;
  Names lost;
  for (const std::string& name : set) {
    if (!holds(ceiling, name)) lost.push_back(name);
  }
  if (log.rewrites(Rule::kCapabilitiesCeiling,
                   {path, short_list(set), short_list(kept),
                    short_list(lost) + " not within " + std::string(ceiling_name),
                    "drop them (docker run --cap-drop), or add them to \"capabilities\" of an entry of "
                    "\"exceptions\" in the policy"})) {
    set = std::move(kept);
  }
}

void empty_out(Names& set, const std::string& path, Recorder& log) {
  if (set.empty()) return;
  if (log.rewrites(Rule::kCapabilitiesInheritable,
                   {path, short_list(set), "",
                    "inheritable and ambient capabilities pass to whatever is executed (CVE-2022-29162)",
                    "leave the set empty"})) {
    set.clear();
  }
}

void hold(Names& set, const Names& own, const std::string& path, Recorder& log) {
  Names kept = intersection(set, own);
  if (kept.size() == set.size()) return;
  Names lost;
  for (const std::string& name : set) {
    if (!holds(own, name)) lost.push_back(name);
  }
  log.tightens(Rule::kCapabilitiesCeiling, {path, short_list(set), short_list(kept),
                                            short_list(lost) + " not within the container's own set",
                                            "leave them out, or create the container with them"});
  set = std::move(kept);
}

bool was_asked_for(const oci::Spec& spec, std::string_view name) {
  return spec.process && spec.process->capabilities && holds(spec.process->capabilities->bounding, name);
}

}  // namespace

void judge_capability_sets(const Names& ceiling, std::string_view ceiling_name, oci::Process& process,
                           const std::string& path, Recorder& log) {
  if (!process.capabilities) {
    // runc leaves the caller's own sets, which are root's, where the object is absent. gabion gives none
    // (container/plan_process), but what a hardened configuration means must not hang on who reads it.
    if (log.rewrites(
            Rule::kCapabilitiesExplicit,
            {path, "", "empty sets", "other runtimes leave a process root's own capabilities without it",
             "list the sets, or write empty ones"})) {
      process.capabilities.emplace();
    }
    return;
  }
  oci::Capabilities& sets = *process.capabilities;
  cut(sets.bounding, ceiling, ceiling_name, path + ".bounding", log);
  cut(sets.effective, ceiling, ceiling_name, path + ".effective", log);
  cut(sets.permitted, ceiling, ceiling_name, path + ".permitted", log);
  empty_out(sets.inheritable, path + ".inheritable", log);
  empty_out(sets.ambient, path + ".ambient", log);
}

void hold_to_capabilities(const oci::Process& running, oci::Process& process, const std::string& path,
                          Recorder& log) {
  if (!process.capabilities) return;  // judged below: it gives none
  // The bounding set is the widest a container has; exceptions it was created with are in it.
  const Names own = running.capabilities ? running.capabilities->bounding : Names();
  oci::Capabilities& sets = *process.capabilities;
  hold(sets.bounding, own, path + ".bounding", log);
  hold(sets.effective, own, path + ".effective", log);
  hold(sets.permitted, own, path + ".permitted", log);
  hold(sets.inheritable, own, path + ".inheritable", log);
  hold(sets.ambient, own, path + ".ambient", log);
}

void judge_capabilities(const Policy& policy, const oci::Spec& asked, Draft& draft, Recorder& log) {
  if (!draft.spec.process) return;
  judge_capability_sets(policy.capabilities, "the policy's ceiling", *draft.spec.process,
                        "process.capabilities", log);

  // In sealed namespaces even a granted NET_BIND_SERVICE says nothing about the network namespace,
  // which the host's user namespace owns. Sysctls of the namespace do, where it is the container's.
  const oci::Namespace* network = find_namespace(draft.spec, oci::NamespaceType::kNetwork);
  if (!policy.seal_namespaces || network == nullptr || !network->path.empty()) return;
  draft.controls.unprivileged_low_ports = was_asked_for(draft.spec, "CAP_NET_BIND_SERVICE");
  draft.controls.unprivileged_ping = was_asked_for(asked, "CAP_NET_RAW");
}

}  // namespace gabion::policy
