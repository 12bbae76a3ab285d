// The specification's filter stays and the policy's is stacked on it: the kernel takes the stricter
// answer of the two (seccomp(2)). What would weaken its own filter is taken out of it.
#include <algorithm>

#include "policy/rules/rules.h"
#include "policy/seccomp_file.h"

namespace gabion::policy {
namespace {

constexpr std::string_view kErrno = "SCMP_ACT_ERRNO";
constexpr uint32_t kNoSys = 38;  // ENOSYS on every architecture Docker knows: libc falls back on it

bool uses(const oci::Seccomp& filter, std::string_view action) {
  return filter.default_action == action ||
         std::any_of(filter.syscalls.begin(), filter.syscalls.end(),
                     [&](const oci::SeccompSyscall& rule) { return rule.action == action; });
}

void replace(oci::Seccomp& filter, std::string_view action) {
  if (filter.default_action == action) {
    filter.default_action = kErrno;
    filter.default_errno_ret = kNoSys;
  }
  for (oci::SeccompSyscall& rule : filter.syscalls) {
    if (rule.action != action) continue;
    rule.action = kErrno;
    rule.errno_ret = kNoSys;
  }
}

void judge_architectures(const HostFacts& facts, oci::Seccomp& filter, Recorder& log) {
  std::vector<std::string> native = {facts.native_arch};
  if (filter.architectures.empty() || filter.architectures == native) return;  // empty: the native one
  if (log.rewrites(
          Rule::kSeccompArchitectures,
          {"linux.seccomp.architectures", word_list(filter.architectures), facts.native_arch,
           "other ABIs have system calls the filter forgets: i386 socketcall reaches every socket family",
           "list " + facts.native_arch + " alone"})) {
    filter.architectures = std::move(native);
  }
}

void judge_flags(oci::Seccomp& filter, Recorder& log) {
  // SPEC_ALLOW switches the speculative store bypass mitigation off; LOG and TSYNC take nothing away.
  // WAIT_KILLABLE_RECV means something to a listener only.
  std::vector<std::string> kept;
  for (const std::string& flag : filter.flags) {
    if (flag == "SECCOMP_FILTER_FLAG_LOG" || flag == "SECCOMP_FILTER_FLAG_TSYNC") kept.push_back(flag);
  }
  if (kept == filter.flags) return;
  if (log.rewrites(Rule::kSeccompFlags,
                   {"linux.seccomp.flags", word_list(filter.flags), word_list(kept),
                    "SPEC_ALLOW gives up a mitigation of speculative execution", "leave the flag out"})) {
    filter.flags = std::move(kept);
  }
}

void judge_listener(oci::Seccomp& filter, Recorder& log) {
  constexpr std::string_view kNotify = "SCMP_ACT_NOTIFY";
  if (filter.listener_path.empty() && filter.listener_metadata.empty() && !uses(filter, kNotify)) return;
  if (log.rewrites(
          Rule::kSeccompListener,
          {"linux.seccomp", "answers from " + filter.listener_path, "ENOSYS",
           "a listener of the host does system calls for the container, outside every namespace and filter",
           "replace SCMP_ACT_NOTIFY by SCMP_ACT_ERRNO"})) {
    replace(filter, kNotify);
    filter.listener_path.clear();
    filter.listener_metadata.clear();
  }
}

void judge_trace(oci::Seccomp& filter, Recorder& log) {
  constexpr std::string_view kTrace = "SCMP_ACT_TRACE";
  if (!uses(filter, kTrace)) return;
  if (log.rewrites(Rule::kSeccompTrace, {"linux.seccomp", "SCMP_ACT_TRACE", "ENOSYS",
                                         "SCMP_ACT_TRACE lets any tracer in the container allow the call",
                                         "use SCMP_ACT_ERRNO"})) {
    replace(filter, kTrace);
  }
}

// No mode: a control that was asked for is applied, or the container does not start.
void judge_pinned(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log) {
  for (const PinnedFile& pinned : policy.seccomp_filters) {
    const auto found = facts.seccomp_files.find(pinned.file);
    const SeccompFileFact fact =
        found == facts.seccomp_files.end() ? SeccompFileFact{"it was not looked at", "", {}} : found->second;
    if (const std::string objection = object_to(pinned, fact); !objection.empty()) {
      log.refuses(Rule::kSeccompPinned,
                  {"linux.seccomp", pinned.file, "",
                   "the policy stacks " + pinned.file + " on this container's filters: " + objection, ""});
      continue;
    }
    log.pins(Rule::kSeccompPinned, "linux.seccomp", "", pinned.file + " sha256:" + fact.sha256,
             "the policy stacks this profile on the other filters: the strictest answer of all holds");
    draft.controls.seccomp_filters.push_back({pinned.file, fact.sha256, fact.filter});
  }
}

}  // namespace

void judge_seccomp(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log) {
  draft.controls.seccomp_profile = policy.seccomp_profile;
  draft.controls.violations = policy.violations;
  judge_pinned(policy, facts, draft, log);
  if (!draft.spec.linux_.seccomp) return;
  oci::Seccomp& filter = *draft.spec.linux_.seccomp;
  judge_architectures(facts, filter, log);
  judge_flags(filter, log);
  judge_listener(filter, log);
  judge_trace(filter, log);
}

}  // namespace gabion::policy
