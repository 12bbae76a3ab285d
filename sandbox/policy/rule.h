// Every rule the policy can be asked about: its stable name and what it looks at. The names are
// keys of a policy file and values in the audit log; docs/policy.md explains each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gabion::policy {

// What to do when a specification breaks a rule.
enum class Mode : uint8_t {
  kRewrite,  // make it comply: tighten or drop what is too much
  kRefuse,   // the container must not start
  kWarn,     // leave it as asked and say so
};

enum class Rule : uint8_t {
  kPrivileged,
  kNamespacesPrivate,
  kNamespacesHostNetwork,
  kNamespacesJoin,
  kNamespacesUser,
  kRootfsPath,
  kRootfsReadonly,
  kRootfsPropagation,
  kMountsType,
  kMountsDestination,
  kMountsEngineSocket,
  kMountsSensitivePath,
  kMountsHostPath,
  kMountsHostFilesystem,
  kMountsSpecialFile,
  kMountsFlags,
  kMountsWritableExec,
  kMountsPropagation,
  kMountsIdmap,
  kMountsTmpfsSize,
  kMountsProcSubset,
  kDevicesNodes,
  kDevicesCgroup,
  kDevicesNetwork,
  kPathsMasked,
  kPathsReadonly,
  kCapabilitiesCeiling,
  kCapabilitiesInheritable,
  kCapabilitiesExplicit,
  kProcessNoNewPrivileges,
  kProcessCoreDumps,
  kProcessCwd,
  kProcessOomScore,
  kProcessRealtime,
  kProcessPersonality,
  kProcessLabel,
  kSeccompArchitectures,
  kSeccompFlags,
  kSeccompListener,
  kSeccompTrace,
  kSeccompPinned,
  kSysctlName,
  kSysctlValue,
  kResourcesPids,
  kResourcesMemory,
  kResourcesOomKiller,
  kResourcesUnified,
  kResourcesCgroupPath,
  kHooksAllowed,
  kHooksEnvironment,
  kAnnotationsIgnored,
  kExecAllowed,
  kException,
  kCount,
};
inline constexpr size_t kRuleCount = static_cast<size_t>(Rule::kCount);

using Modes = std::array<Mode, kRuleCount>;

std::string_view rule_name(Rule rule);  // "capabilities.ceiling"
std::optional<Rule> rule_from_name(std::string_view name);

std::optional<Mode> mode_from_name(std::string_view name);

}  // namespace gabion::policy
