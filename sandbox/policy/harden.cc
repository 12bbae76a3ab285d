#include "policy/harden.h"

#include <optional>

#include "policy/exceptions.h"
#include "policy/recorder.h"
#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

// The order matters twice: namespaces come before what depends on whose they are (sysctls,
// capabilities), and mounts before the volatile paths they may cover.
void judge_everything(const Policy& policy, const HostFacts& facts, const oci::Spec& asked, Draft& draft,
                      Recorder& log) {
  if (judge_privileged(draft, log)) return;
  judge_namespaces(policy, facts, draft, log);
  judge_user_namespace(policy, facts, draft, log);
  judge_rootfs(facts, draft, log);
  judge_mounts(policy, facts, draft, log);
  set_volatile_paths(policy, asked, draft);
  judge_devices(policy, draft, log);
  judge_paths(policy, draft, log);
  judge_capabilities(policy, asked, draft, log);
  if (draft.spec.process) judge_process(*draft.spec.process, "process", log);
  judge_personality(draft, log);
  judge_seccomp(policy, facts, draft, log);
  judge_sysctls(policy, facts, draft, log);
  judge_resources(policy, facts, draft, log);
  judge_hooks(policy, facts, draft, log);
  judge_annotations(draft, log);
  draft.controls.core_dumps_off = policy.mode(Rule::kProcessCoreDumps) != Mode::kWarn;
  draft.controls.private_stdio = policy.private_stdio;
  draft.controls.landlock = policy.landlock;
  draft.controls.memory_deny_write_execute = policy.memory_deny_write_execute;
}

// A second process has the container's label, whatever the mode: the label is what holds the container.
void hold_to_label(std::string& label, const std::string& running, const std::string& path, Recorder& log) {
  if (running.empty() || label == running) return;
  log.tightens(Rule::kProcessLabel,
               {path, label, running, "a second process must not escape the container's label",
                "leave the label out"});
  label = running;
}

void judge_exec(const Policy& policy, const oci::Process& running, oci::Process& process, Recorder& log) {
  if (!policy.exec) {
    log.objects(Rule::kExecAllowed, {"process", word_list(process.args, 4), "",
                                     "the policy runs nothing but the image's own process",
                                     "debug a copy under a policy with \"exec\": true"});
  }
  hold_to_capabilities(running, process, "process.capabilities", log);
  judge_capability_sets(policy.capabilities, "the policy's ceiling", process, "process.capabilities", log);
  if (running.no_new_privileges && !process.no_new_privileges) {
    log.tightens(Rule::kProcessNoNewPrivileges,
                 {"process.noNewPrivileges", "false", "true", "as the container has it", "set it"});
    process.no_new_privileges = true;
  }
  hold_to_label(process.apparmor_profile, running.apparmor_profile, "process.apparmorProfile", log);
  hold_to_label(process.selinux_label, running.selinux_label, "process.selinuxLabel", log);
  judge_process(process, "process", log);
}

// The policy with the exceptions of a container; `copy` holds it where there are any.
const Policy& with_those(const Policy& base, const std::vector<const Exception*>& exceptions,
                         std::optional<Policy>& copy) {
  return exceptions.empty() ? base : copy.emplace(with_exceptions(base, exceptions));
}

void record_exceptions(const std::vector<const Exception*>& exceptions, Recorder& log) {
  for (const Exception* exception : exceptions)
    log.keeps(Rule::kException, "", exception->name, exception->reason);
}

}  // namespace

class Hardener {
 public:
  static std::variant<HardenedSpec, Refusal> spec(const oci::Spec& spec, const Policy& base,
                                                  const HostFacts& facts) {
    HardenedSpec hardened;
    if (!base.enforce) {
      hardened.spec_ = spec;
      return hardened;
    }
    const std::vector<const Exception*> matching = matching_exceptions(base, facts, spec);
    std::optional<Policy> copy;
    const Policy& policy = with_those(base, matching, copy);
    Recorder log(policy);
    record_exceptions(matching, log);
    Draft draft{spec, {}};
    judge_everything(policy, facts, spec, draft, log);
    for (const Exception* exception : matching)
      draft.controls.exceptions.push_back({exception->name, exception->sha256});
    if (log.refused()) return Refusal{log.take()};
    hardened.spec_ = std::move(draft.spec);
    hardened.controls_ = std::move(draft.controls);
    hardened.decisions_ = log.take();
    return hardened;
  }

  static std::variant<HardenedProcess, Refusal> process(const oci::Process& process,
                                                        const oci::Process& running, const Policy& base,
                                                        const std::vector<MatchedException>& exceptions) {
    HardenedProcess hardened;
    hardened.process_ = process;
    if (!base.enforce) return hardened;
    const std::vector<const Exception*> granted = same_exceptions(base, exceptions);
    std::optional<Policy> copy;
    const Policy& policy = with_those(base, granted, copy);
    Recorder log(policy);
    record_exceptions(granted, log);
    judge_exec(policy, running, hardened.process_, log);
    if (log.refused()) return Refusal{log.take()};
    hardened.decisions_ = log.take();
    return hardened;
  }

  static std::variant<HardenedResources, Refusal> resources(const oci::Resources& resources,
                                                            const oci::Resources& running, const Policy& base,
                                                            const std::vector<MatchedException>& exceptions,
                                                            const HostFacts& facts) {
    HardenedResources hardened;
    hardened.resources_ = resources;
    if (!base.enforce) return hardened;
    const std::vector<const Exception*> granted = same_exceptions(base, exceptions);
    std::optional<Policy> copy;
    const Policy& policy = with_those(base, granted, copy);
    Recorder log(policy);
    record_exceptions(granted, log);
    hold_to_device_rules(running.devices, hardened.resources_.devices, "linux.resources.devices", log);
    judge_limits(policy, facts, LimitsOf::kUpdate, hardened.resources_, "linux.resources", log);
    if (log.refused()) return Refusal{log.take()};
    hardened.decisions_ = log.take();
    return hardened;
  }
};

std::variant<HardenedSpec, Refusal> harden(const oci::Spec& spec, const Policy& policy,
                                           const HostFacts& facts) {
  return Hardener::spec(spec, policy, facts);
}

std::variant<HardenedProcess, Refusal> harden_process(const oci::Process& process,
                                                      const oci::Process& running, const Policy& policy,
                                                      const std::vector<MatchedException>& exceptions) {
  return Hardener::process(process, running, policy, exceptions);
}

std::variant<HardenedResources, Refusal> harden_resources(const oci::Resources& resources,
                                                          const oci::Resources& running, const Policy& policy,
                                                          const std::vector<MatchedException>& exceptions,
                                                          const HostFacts& facts) {
  return Hardener::resources(resources, running, policy, exceptions, facts);
}

}  // namespace gabion::policy
