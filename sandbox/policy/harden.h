// harden(): the spec an engine asked for → the spec that may run, with every decision.
//
// Pure: no I/O, no clock, no globals. Idempotent on the spec (controls that answer what the spec
// first asked for, volatile paths and ping, are computed from the first); never widens capabilities,
// namespaces, mounts or syscalls; every changed path has a Decision. HardenedSpec has no public constructor,
// and container/plan accepts nothing else, so an unhardened config cannot compile into a launch.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "oci/spec.h"
#include "policy/decision.h"
#include "policy/facts.h"
#include "policy/policy.h"

namespace gabion::policy {

// An ephemeral writable overlay over one of the image's own directories.
struct VolatilePath {
  std::string path;  // absolute, in the container
  bool operator==(const VolatilePath&) const = default;
};

// A profile that the policy pins, as it was read and judged.
struct PinnedFilter {
  std::string file;
  std::string sha256;
  oci::Seccomp filter;
  bool operator==(const PinnedFilter&) const = default;
};

// An exception that a container was created with.
struct MatchedException {
  std::string name;
  std::string sha256;
  bool operator==(const MatchedException&) const = default;
};

// What the launch must do that config.json has no words for. Defaults are "nothing": passthrough.
struct Controls {
  bool own_user_namespace = false;        // an id range of its own, root and binds idmapped
  bool seal_namespaces = false;           // other namespaces owned by the host, user namespace entered last
  bool forbid_nested_namespaces = false;  // user.max_*_namespaces = 0 inside
  bool no_memfd_exec = false;             // vm.memfd_noexec = 2 in the pid namespace, where the kernel has it
  bool core_dumps_off = false;
  bool unprivileged_low_ports =
      false;  // net.ipv4.ip_unprivileged_port_start = 0 (NET_BIND_SERVICE was asked for and granted)
  bool unprivileged_ping = false;  // net.ipv4.ping_group_range = "0 <last id>" (NET_RAW was asked for)
  bool private_stdio = false;      // stdio pipes are given to the container's user
  bool landlock = false;           // what the mounts say of files, a second time
  bool memory_deny_write_execute = false;     // no memory becomes executable that could be written
  std::string seccomp_profile;                // built-in profile stacked on the spec's filter; "" none
  Violations violations;                      // answers to calls the profile denies; any: a monitor listens
  std::vector<PinnedFilter> seccomp_filters;  // stacked on both
  std::vector<VolatilePath> volatile_paths;
  uint64_t volatile_bytes = 0;  // size of the one tmpfs behind them all
  uint64_t tmpfs_bytes = 0;     // ceiling for a tmpfs mount that names no size; 0 none
  // The policy's exceptions that matched: exec and update are judged with them, too.
  std::vector<MatchedException> exceptions;
  bool operator==(const Controls&) const = default;
};

class HardenedSpec {
 public:
  [[nodiscard]] const oci::Spec& spec() const { return spec_; }
  [[nodiscard]] const Controls& controls() const { return controls_; }
  [[nodiscard]] const std::vector<Decision>& decisions() const { return decisions_; }

 private:
  friend class Hardener;
  HardenedSpec() = default;
  oci::Spec spec_;
  Controls controls_;
  std::vector<Decision> decisions_;
};

struct Refusal {
  std::vector<Decision> decisions;  // at least one kRefused
};

std::variant<HardenedSpec, Refusal> harden(const oci::Spec& spec, const Policy& policy,
                                           const HostFacts& facts);

// The same rules for `exec` and `update`: they are creations too.
class HardenedProcess {
 public:
  [[nodiscard]] const oci::Process& process() const { return process_; }
  [[nodiscard]] const std::vector<Decision>& decisions() const { return decisions_; }

 private:
  friend class Hardener;
  HardenedProcess() = default;
  oci::Process process_;
  std::vector<Decision> decisions_;
};
// `running` is the container's own hardened process: in no mode has an exec a capability the container has
// not, and no_new_privs and the LSM label are never weaker than the container's. `exceptions` are those of
// the container's Controls.
std::variant<HardenedProcess, Refusal> harden_process(const oci::Process& process,
                                                      const oci::Process& running, const Policy& policy,
                                                      const std::vector<MatchedException>& exceptions);

class HardenedResources {
 public:
  [[nodiscard]] const oci::Resources& resources() const { return resources_; }
  [[nodiscard]] const std::vector<Decision>& decisions() const { return decisions_; }

 private:
  friend class Hardener;
  HardenedResources() = default;
  oci::Resources resources_;
  std::vector<Decision> decisions_;
};
// `running` are the container's own hardened resources: what an update does not name stays, and device
// rules always stay.
std::variant<HardenedResources, Refusal> harden_resources(const oci::Resources& resources,
                                                          const oci::Resources& running, const Policy& policy,
                                                          const std::vector<MatchedException>& exceptions,
                                                          const HostFacts& facts);

}  // namespace gabion::policy
