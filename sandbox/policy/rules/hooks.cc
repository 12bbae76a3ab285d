// Hooks are programs that run as root on the host. Only those the policy knows, judged on the file
// behind the path, with an environment that cannot load foreign code into them.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

constexpr std::string_view kStartContainer = "startContainer";

bool matches_args(const HookGrant& grant, const oci::Hook& hook) {
  if (grant.args.empty()) return true;
  return std::equal(
      grant.args.begin(), grant.args.end(), hook.args.begin(), hook.args.end(),
      [](const std::string& pattern, const std::string& arg) { return glob_match(pattern, arg); });
}

bool matches_kind(const HookGrant& grant, std::string_view kind) {
  // startContainer hooks are programs of the image: only by name.
  if (grant.kinds.empty()) return kind != kStartContainer;
  return std::find(grant.kinds.begin(), grant.kinds.end(), kind) != grant.kinds.end();
}

bool matches_path(const HookGrant& grant, const std::string& path) {
  return std::find(grant.paths.begin(), grant.paths.end(), path) != grant.paths.end();
}

constexpr uint32_t kGroupOrOtherWrite = 022;

// "" when the hook may run, else what is missing.
std::string object_to(const Policy& policy, const oci::Hook& hook, const HookFact& fact,
                      std::string_view kind) {
  std::string nearest = "no entry of \"hooks\" in the policy allows it";
  for (const HookGrant& grant : policy.hooks) {
    if (!matches_path(grant, fact.resolved) || !matches_kind(grant, kind)) continue;
    if (!matches_args(grant, hook)) {
      nearest = "the policy allows " + fact.resolved + ", but not with these arguments";
    } else if (kind == kStartContainer) {
      return "";
    } else if (!fact.found) {
      nearest = "there is no such file";
    } else if (fact.uid != 0 || (fact.mode & kGroupOrOtherWrite) != 0) {
      nearest = "the file is not root's alone to write";
    } else if (!fact.trusted_parents) {
      nearest = "a directory above the file is not root's alone to write";
    } else if (!grant.sha256.empty() && grant.sha256 != fact.sha256) {
      nearest = "its SHA-256 is not the one the policy pins";
    } else {
      return "";
    }
  }
  return nearest;
}

HookFact fact_of(const HostFacts& facts, const oci::Hook& hook, std::string_view kind) {
  const auto found = facts.hooks.find(hook.path);
  if (kind != kStartContainer && found != facts.hooks.end()) return found->second;
  HookFact fact;  // a path of the image, or one that is not there
  fact.resolved = hook.path;
  return fact;
}

// What makes the dynamic loader, libc (ld.so(8), "secure-execution mode"), a shell or an interpreter read
// other files or run what it is given.
bool is_loader_variable(std::string_view entry) {
  constexpr std::array<std::string_view, 18> kNames = {
      "GLIBC_TUNABLES", "GCONV_PATH",   "LOCPATH",           "MALLOC_TRACE", "NLSPATH", "HOSTALIASES",
      "RES_OPTIONS",    "TMPDIR",       "BASH_ENV",          "ENV",          "IFS",     "PS4",
      "SHELLOPTS",      "NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "RUBYOPT",      "RUBYLIB", "OPENSSL_CONF"};
  const std::string_view name = entry.substr(0, entry.find('='));
  if (name.starts_with("BASH_FUNC_") || name.starts_with("PYTHON") || name.starts_with("PERL5")) return true;
  return name.starts_with("LD_") || std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

void clean_environment(oci::Hook& hook, const std::string& path, Recorder& log) {
  std::vector<std::string> kept;
  std::vector<std::string> lost;
  for (const std::string& entry : hook.env) {
    if (is_loader_variable(entry)) {
      lost.push_back(entry.substr(0, entry.find('=')));
    } else {
      kept.push_back(entry);
    }
  }
  if (lost.empty()) return;
  if (log.rewrites(Rule::kHooksEnvironment,
                   {path + ".env", word_list(lost), "",
                    "these variables load the author's code into a program of the host (CVE-2025-23266)",
                    "leave them out"})) {
    hook.env = std::move(kept);
  }
}

std::string command(const oci::Hook& hook) {
  return hook.path + (hook.args.size() > 1 ? " " + hook.args[1]
                      : hook.args.empty()  ? ""
                                           : " (" + hook.args[0] + ")");
}

void judge_kind(const Policy& policy, const HostFacts& facts, std::vector<oci::Hook>& hooks,
                std::string_view kind, Recorder& log) {
  std::vector<oci::Hook> kept;
  for (size_t i = 0; i < hooks.size(); ++i) {
    oci::Hook& hook = hooks[i];
    const std::string path = "hooks." + std::string(kind) + "[" + std::to_string(i) + "]";
    const HookFact fact = fact_of(facts, hook, kind);
    const std::string reason = object_to(policy, hook, fact, kind);
    if (!reason.empty()) {
      if (log.rewrites(
              Rule::kHooksAllowed,
              {path, command(hook), "", reason + "; a hook is a program run as root on the host",
               "add an entry with its \"paths\" and \"args\" to \"hooks\" in /etc/gabion/policy.json"})) {
        continue;
      }
    } else if (fact.resolved != hook.path) {
      // The file that was judged is the file that runs: the path is not resolved a second time.
      log.pins(Rule::kHooksAllowed, path + ".path", hook.path, fact.resolved,
               "the policy allows this program");
      hook.path = fact.resolved;
    }
    clean_environment(hook, path, log);
    kept.push_back(std::move(hook));
  }
  hooks = std::move(kept);
}

}  // namespace

void judge_hooks(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log) {
  oci::Hooks& hooks = draft.spec.hooks;
  judge_kind(policy, facts, hooks.prestart, "prestart", log);
  judge_kind(policy, facts, hooks.create_runtime, "createRuntime", log);
  judge_kind(policy, facts, hooks.create_container, "createContainer", log);
  judge_kind(policy, facts, hooks.start_container, kStartContainer, log);
  judge_kind(policy, facts, hooks.poststart, "poststart", log);
  judge_kind(policy, facts, hooks.poststop, "poststop", log);
}

}  // namespace gabion::policy
