#include "policy/harden.h"

#include <algorithm>
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
}

// What exec may hold at most: the tier's ceiling and what exceptions add to it, within the
// container's own bounding set. Which exception let the container have more was decided when it was
// created; its bounding set is the record of that.
std::vector<std::string> exec_ceiling(const Policy& policy, const oci::Process& running) {
  std::vector<std::string> ceiling = policy.capabilities;
  for (const Exception& exception : policy.exceptions) {
    ceiling.insert(ceiling.end(), exception.capabilities.begin(), exception.capabilities.end());
  }
  if (!running.capabilities) return ceiling;
  const std::vector<std::string>& own = running.capabilities->bounding;
  std::erase_if(
      ceiling, [&](const std::string& name) { return std::find(own.begin(), own.end(), name) == own.end(); });
  return ceiling;
}

void keep_label(std::string& label, const std::string& running, const std::string& path, Recorder& log) {
  if (running.empty() || label == running) return;
  if (log.rewrites(Rule::kProcessLabel,
                   {path, label, running, "a second process must not escape the container's label",
                    "leave the label out"})) {
    label = running;
  }
}

void judge_exec(const Policy& policy, const oci::Process& running, oci::Process& process, Recorder& log) {
  if (!policy.exec) {
    log.objects(Rule::kExecAllowed, {"process", word_list(process.args, 4), "",
                                     "the policy runs nothing but the image's own process",
                                     "debug a copy under a policy with \"exec\": true"});
  }
  judge_capability_sets(exec_ceiling(policy, running), "the container's own set and the policy's ceiling",
                        process, "process.capabilities", log);
  if (running.no_new_privileges && !process.no_new_privileges) {
    log.pins(Rule::kProcessNoNewPrivileges, "process.noNewPrivileges", "false", "true",
             "as the container has it");
    process.no_new_privileges = true;
  }
  keep_label(process.apparmor_profile, running.apparmor_profile, "process.apparmorProfile", log);
  keep_label(process.selinux_label, running.selinux_label, "process.selinuxLabel", log);
  judge_process(process, "process", log);
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
    const std::optional<Policy> excepted =
        matching.empty() ? std::nullopt : std::optional<Policy>(with_exceptions(base, matching));
    const Policy& policy = excepted ? *excepted : base;
    Recorder log(policy);
    for (const Exception* exception : matching) {
      log.keeps(Rule::kException, "", exception->name, exception->reason);
    }
    Draft draft{spec, {}};
    judge_everything(policy, facts, spec, draft, log);
    if (log.refused()) return Refusal{log.take()};
    hardened.spec_ = std::move(draft.spec);
    hardened.controls_ = std::move(draft.controls);
    hardened.decisions_ = log.take();
    return hardened;
  }

  static std::variant<HardenedProcess, Refusal> process(const oci::Process& process,
                                                        const oci::Process& running, const Policy& policy) {
    HardenedProcess hardened;
    hardened.process_ = process;
    if (!policy.enforce) return hardened;
    Recorder log(policy);
    judge_exec(policy, running, hardened.process_, log);
    if (log.refused()) return Refusal{log.take()};
    hardened.decisions_ = log.take();
    return hardened;
  }

  static std::variant<HardenedResources, Refusal> resources(const oci::Resources& resources,
                                                            const Policy& policy, const HostFacts& facts) {
    HardenedResources hardened;
    hardened.resources_ = resources;
    if (!policy.enforce) return hardened;
    Recorder log(policy);
    // An update without device rules leaves the container's alone.
    if (!resources.devices.empty()) {
      judge_device_rules(policy, hardened.resources_.devices, {}, "linux.resources.devices", log);
    }
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
                                                      const oci::Process& running, const Policy& policy) {
  return Hardener::process(process, running, policy);
}

std::variant<HardenedResources, Refusal> harden_resources(const oci::Resources& resources,
                                                          const Policy& policy, const HostFacts& facts) {
  return Hardener::resources(resources, policy, facts);
}

}  // namespace gabion::policy
