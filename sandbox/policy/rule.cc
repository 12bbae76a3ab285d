#include "policy/rule.h"

namespace gabion::policy {
namespace {

constexpr std::array<std::string_view, kRuleCount> kNames = {
    "privileged",
    "namespaces.private",
    "namespaces.host_network",
    "namespaces.join",
    "namespaces.user",
    "rootfs.path",
    "rootfs.readonly",
    "rootfs.propagation",
    "mounts.type",
    "mounts.destination",
    "mounts.engine_socket",
    "mounts.sensitive_path",
    "mounts.host_path",
    "mounts.host_filesystem",
    "mounts.special_file",
    "mounts.flags",
    "mounts.writable_exec",
    "mounts.propagation",
    "mounts.idmap",
    "mounts.tmpfs_size",
    "mounts.proc_subset",
    "devices.nodes",
    "devices.cgroup",
    "devices.network",
    "paths.masked",
    "paths.readonly",
    "capabilities.ceiling",
    "capabilities.inheritable",
    "capabilities.explicit",
    "process.no_new_privileges",
    "process.core_dumps",
    "process.cwd",
    "process.oom_score",
    "process.realtime",
    "process.personality",
    "process.label",
    "seccomp.architectures",
    "seccomp.flags",
    "seccomp.listener",
    "seccomp.trace",
    "seccomp.pinned",
    "sysctl.name",
    "sysctl.value",
    "resources.pids",
    "resources.memory",
    "resources.oom_killer",
    "resources.unified",
    "resources.cgroup_path",
    "hooks.allowed",
    "hooks.environment",
    "annotations.ignored",
    "exec.allowed",
    "exception",
};
static_assert(!kNames.back().empty(), "a rule has no name");

constexpr std::array<std::string_view, 3> kModes = {"rewrite", "refuse", "warn"};

}  // namespace

std::string_view rule_name(Rule rule) { return kNames[static_cast<size_t>(rule)]; }

std::optional<Rule> rule_from_name(std::string_view name) {
  for (size_t i = 0; i < kRuleCount; ++i) {
    if (kNames[i] == name) return static_cast<Rule>(i);
  }
  return std::nullopt;
}

std::optional<Mode> mode_from_name(std::string_view name) {
  for (size_t i = 0; i < kModes.size(); ++i) {
    if (kModes[i] == name) return static_cast<Mode>(i);
  }
  return std::nullopt;
}

}  // namespace gabion::policy
