// What harden() may know of the host. Values only: container/survey fills them from descriptors it
// keeps open, so what was judged is what is later mounted or run.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "oci/spec.h"

namespace gabion::policy {

enum class SourceKind { kMissing, kDirectory, kFile, kSocket, kFifo, kBlockDevice, kCharDevice };

// What is mounted somewhere below a source: an rbind takes it along.
struct NestedMount {
  std::string path;
  std::string filesystem;
  std::vector<std::string> aliases = {};  // as SourceFact's
};

// The source of a bind mount, or the root filesystem, after every symbolic link.
struct SourceFact {
  std::string resolved;  // absolute; the spec's own text when missing
  SourceKind kind = SourceKind::kMissing;
  std::string
      filesystem;  // "ext4", "proc", "sysfs", "cgroup", "cgroup2", "devtmpfs", "tmpfs", ...; "" unknown
  // Where else the host shows the same files: the source may be, or lie on, a bind mount itself.
  std::vector<std::string> aliases = {};
  std::vector<NestedMount> nested = {};
};

// An executable a hook names. `/proc/<pid>/exe` is resolved to the file behind it.
struct HookFact {
  std::string resolved;
  bool found = false;
  uint32_t uid = 0;
  uint32_t mode = 0;             // permission bits
  bool trusted_parents = false;  // every directory above is root's and writable by no one else
  std::string sha256;            // lower-case hex; filled only where the policy pins a hash
};

// A file of the policy's "seccompFilters", as seccomp_file.h reads it.
struct SeccompFileFact {
  std::string error;   // why it cannot be used; "" it can
  std::string sha256;  // of its text, lower-case hex; "" when it was not read
  oci::Seccomp filter;
};

struct NamespaceFact {
  bool found = false;
  bool is_host =
      false;  // the runtime's own or the first process's; a user namespace: also one with the node's ids
  // Of another user namespace than the runtime's: its maps, by the kernel.
  std::vector<oci::IdMapping> uids = {};
  std::vector<oci::IdMapping> gids = {};
};

struct HostFacts {
  std::map<std::string, SourceFact> sources;        // by mounts[].source
  SourceFact root;                                  // root.path; `resolved` empty: it was not looked at
  std::map<std::string, HookFact> hooks;            // by hook path
  std::map<std::string, NamespaceFact> namespaces;  // by linux.namespaces[].path
  std::string bundle;                               // absolute path of the bundle directory
  std::string native_arch = "SCMP_ARCH_X86_64";
  uint64_t memory_bytes = 0;  // MemTotal
  // Who called: "docker", "containerd", "podman", "cri", "" unknown. From the caller's process and
  // the state root, never from the spec.
  std::string engine;
  // By PinnedFile::file; of the policy's own and of the exceptions that match.
  std::map<std::string, SeccompFileFact> seccomp_files = {};
};

}  // namespace gabion::policy
