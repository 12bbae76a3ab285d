// The rules. Each is a pure function over the policy, the facts and the draft: it changes only what
// the recorder told it to. Where a rule finds nothing to object to it leaves no trace, so that a
// hardened draft passes again unchanged.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/facts.h"
#include "policy/harden.h"
#include "policy/policy.h"
#include "policy/recorder.h"

namespace gabion::policy {

struct Draft {
  oci::Spec spec;
  Controls controls;
};

// True when the draft must not be judged further: one refusal says it all.
[[nodiscard]] bool judge_privileged(const Draft& draft, Recorder& log);

void judge_namespaces(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log);
void judge_user_namespace(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log);
void judge_rootfs(const HostFacts& facts, Draft& draft, Recorder& log);
void judge_mounts(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log);
// After judge_rootfs and judge_mounts: needs the root and the mounts that are left. `asked` is the
// spec as it came.
void set_volatile_paths(const Policy& policy, const oci::Spec& asked, Draft& draft);
void judge_devices(const Policy& policy, Draft& draft, Recorder& log);
void judge_device_rules(const Policy& policy, std::vector<oci::DeviceRule>& rules,
                        const std::vector<oci::Device>& nodes, const std::string& path, Recorder& log);
void judge_paths(const Policy& policy, Draft& draft, Recorder& log);
void judge_capabilities(const Policy& policy, const oci::Spec& asked, Draft& draft, Recorder& log);
void judge_personality(Draft& draft, Recorder& log);
void judge_seccomp(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log);
void judge_sysctls(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log);
void judge_resources(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log);
void judge_hooks(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log);
void judge_annotations(Draft& draft, Recorder& log);

// Parts shared with exec and update. `path` is the JSON path of the object.
void judge_process(oci::Process& process, const std::string& path, Recorder& log);
void judge_capability_sets(const std::vector<std::string>& ceiling, std::string_view ceiling_name,
                           oci::Process& process, const std::string& path, Recorder& log);
// What exec and update can never have beside the container they belong to, in any mode.
void hold_to_capabilities(const oci::Process& running, oci::Process& process, const std::string& path,
                          Recorder& log);
void hold_to_device_rules(const std::vector<oci::DeviceRule>& running, std::vector<oci::DeviceRule>& rules,
                          const std::string& path, Recorder& log);
enum class LimitsOf { kCreate, kUpdate };  // an update leaves alone what it does not name
void judge_limits(const Policy& policy, const HostFacts& facts, LimitsOf operation, oci::Resources& resources,
                  const std::string& path, Recorder& log);

// Mounts, in three files.
bool is_bind_mount(const oci::Mount& mount);
bool is_read_only(const oci::Mount& mount);
// False: the mount is to be dropped.
[[nodiscard]] bool judge_mount_source(const Policy& policy, const HostFacts& facts, const oci::Mount& mount,
                                      const std::string& path, Recorder& log);
[[nodiscard]] bool judge_mount_target(const oci::Mount& mount, const std::string& path, Recorder& log);
void judge_mount_options(const Policy& policy, const HostFacts& facts, const oci::Spec& spec,
                         oci::Mount& mount, const std::string& path, Recorder& log);
// Of all mounts together: no file is writable through one and executable through another, or through the
// root filesystem.
void judge_other_views(const HostFacts& facts, std::vector<oci::Mount>& mounts, Recorder& log);

// Namespaces, as several rules ask.
std::string_view namespace_name(oci::NamespaceType type);  // "pid", ...
const oci::Namespace* find_namespace(const oci::Spec& spec, oci::NamespaceType type);
// True when the container gets a namespace of this type that is not the host's: new or joined.
bool has_own_namespace(const oci::Spec& spec, const HostFacts& facts, oci::NamespaceType type);

}  // namespace gabion::policy
