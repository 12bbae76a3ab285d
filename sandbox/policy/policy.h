// A node's policy as values. policy/reader makes it from a tier and a file; harden() applies it.
// A field is a key of the policy file (docs/policy.md), camelCase there, but for `sha256` and for
// `host_network`, which only an exception has. The initial values are the loosest: tiers tighten them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "policy/rule.h"
#include "policy/violations.h"

namespace gabion::policy {

struct IdRange {  // the node's range from which each container gets `size` ids
  uint32_t base = 0;
  uint32_t count = 0;     // ids in all
  uint32_t size = 65536;  // ids per container
  bool operator==(const IdRange&) const = default;
};

// An amount of memory: absolute, or a share of the host's. 0 of both: none.
struct MemorySize {
  uint64_t bytes = 0;
  uint32_t percent = 0;  // 1 to 100
  [[nodiscard]] bool none() const { return bytes == 0 && percent == 0; }
  // 0 when none, and also when it is a share of a total that is not known (`total` 0).
  [[nodiscard]] uint64_t of(uint64_t total) const;
  bool operator==(const MemorySize&) const = default;
};

// A device node the policy grants besides the standard six.
struct DeviceGrant {
  std::string path;  // in the container
  std::string type;  // "c" or "b"
  int64_t major = 0;
  int64_t minor = 0;
  std::string access = "rw";
  bool operator==(const DeviceGrant&) const = default;
};

// A hook the engine may run. Every field that is set must match.
struct HookGrant {
  std::vector<std::string> paths;  // after every link: "/usr/bin/dockerd"
  std::vector<std::string> args;   // globs, one per argument; the number must be equal. Empty: any
  std::vector<std::string> kinds;  // "prestart", "createRuntime", ...; empty: any but startContainer
  std::string sha256;              // of the executable, lower-case hex; "" not pinned
  bool operator==(const HookGrant&) const = default;
};

// A program that may take a container's output, as root.
struct LoggerGrant {
  std::string file;               // absolute path
  std::vector<std::string> args;  // globs, one per argument; the number must be equal
  std::string sha256;             // of the executable, lower-case hex; "" not pinned
  bool operator==(const LoggerGrant&) const = default;
};

// A seccomp profile of the node's own, stacked on the other filters.
struct PinnedFile {
  std::string file;    // absolute path
  std::string sha256;  // of its text, lower-case hex; "" not pinned
  bool operator==(const PinnedFile&) const = default;
};

// Facts an exception may match on: what the engine or the node asserts. "" matches anything; all
// that are set must match, and at least one must be set. Values are globs.
struct ExceptionMatch {
  std::string engine;  // HostFacts::engine
  std::string bundle;  // HostFacts::bundle
  // CRI writes these annotations after the pod's own, so a pod cannot forge them; they are believed
  // only when the engine is "cri".
  std::string kubernetes_namespace;
  std::string kubernetes_pod;
  std::string kubernetes_container;
  std::string kubernetes_image;
  bool operator==(const ExceptionMatch&) const = default;
};

struct Exception {
  std::string name;    // for the audit log
  std::string sha256;  // of the whole entry, as JSON without blanks; lower-case hex
  std::string reason;  // why it exists; required, so that it can be reviewed
  ExceptionMatch match;
  std::vector<std::pair<Rule, Mode>> rules;
  bool host_network = false;
  std::vector<std::string> capabilities;        // added to the ceiling
  std::vector<std::string> allowed_host_paths;  // added
  std::vector<DeviceGrant> devices;             // added
  std::vector<PinnedFile> seccomp_filters;      // added: an exception may be stricter, too
  bool operator==(const Exception&) const = default;
};

struct Policy {
  std::string name;    // "restricted", or the file's "name"
  std::string sha256;  // of the effective policy's text, lower-case hex
  IdRange ids;

  bool enforce = false;  // false: the spec exactly as given (passthrough)
  Modes rules{};         // by Rule

  // Controls: what config.json has no words for.
  bool user_namespace = false;
  bool seal_namespaces = false;
  bool forbid_nested_namespaces = false;
  bool no_memfd_exec = false;
  bool private_stdio = false;
  bool landlock = false;
  bool memory_deny_write_execute = false;
  std::string seccomp_profile;  // built-in filter stacked on the spec's; "" none
  Violations violations;        // what follows on calls that the built-in filter denies
  std::vector<PinnedFile> seccomp_filters;

  std::vector<std::string> join_namespaces;  // types that may be joined by path: "network", "ipc", ...
  bool host_network = false;                 // an exception grants it
  std::vector<std::string> capabilities;     // the ceiling, with the CAP_ prefix

  std::vector<std::string> volatile_paths;
  uint64_t volatile_size = 0;  // bytes, all volatile paths together
  uint64_t tmpfs_size = 0;     // bytes, for a tmpfs mount that names no size; 0 the kernel's (half the RAM)

  std::vector<std::string> allowed_host_paths;   // globs; a match allows what is below too
  std::vector<std::string> engine_stores;        // globs of the engines' own directories
  std::vector<std::string> trusted_executables;  // bound read-only by engines (docker --init)
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;
  bool proc_subset_pid = false;

  std::vector<DeviceGrant> devices;
  std::vector<std::string> sysctls;  // globs
  uint64_t pids = 0;                 // ceiling; 0 none
  MemorySize memory;                 // ceiling
  bool exec = true;
  std::vector<HookGrant> hooks;
  std::vector<LoggerGrant> loggers;  // what binary:// addresses may name
  std::vector<Exception> exceptions;

  [[nodiscard]] Mode mode(Rule rule) const { return rules[static_cast<size_t>(rule)]; }
  void set_mode(Rule rule, Mode mode) { rules[static_cast<size_t>(rule)] = mode; }
};

}  // namespace gabion::policy
