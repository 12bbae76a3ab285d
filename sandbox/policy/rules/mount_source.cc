// What a container may see of the host's files. Judged on the path behind every symbolic link.
#include <algorithm>
#include <array>
#include <optional>

#include "base/path.h"
#include "base/text.h"
#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

// Filesystems that belong to the container and not to the host.
constexpr std::array<std::string_view, 7> kOwnTypes = {"proc",   "sysfs",  "tmpfs",  "devpts",
                                                       "mqueue", "cgroup", "cgroup2"};

// Views of the kernel: a bind of one shows the host's, whatever namespaces the container has.
constexpr std::array<std::string_view, 19> kKernelFilesystems = {
    "proc",    "sysfs",       "cgroup", "cgroup2",  "devtmpfs",  "devpts",   "debugfs",
    "tracefs", "securityfs",  "bpf",    "configfs", "pstore",    "efivarfs", "selinuxfs",
    "mqueue",  "binfmt_misc", "nsfs",   "fusectl",  "rpc_pipefs"};

// Control sockets and the directories that hold them. Whoever talks to one is root on the node.
constexpr std::array<std::string_view, 27> kEngineSockets = {"/run/docker.sock",
                                                             "/run/docker",
                                                             "/run/containerd",
                                                             "/run/crio",
                                                             "/run/podman",
                                                             "/run/buildkit",
                                                             "/run/dockershim.sock",
                                                             "/run/cri-dockerd.sock",
                                                             "/run/k3s",
                                                             "/run/k0s",
                                                             "/run/nerdctl",
                                                             "/run/lxd.socket",
                                                             "/run/incus",
                                                             "/run/libvirt",
                                                             "/run/dbus",
                                                             "/run/systemd",
                                                             "/run/gabion",
                                                             "/run/user/*/docker.sock",
                                                             "/run/user/*/podman",
                                                             "/run/user/*/containerd",
                                                             "/run/user/*/bus",
                                                             "/run/user/*/systemd",
                                                             "/var/lib/kubelet/device-plugins",
                                                             "/var/lib/kubelet/pod-resources",
                                                             "/var/lib/kubelet/plugins",
                                                             "/var/snap/docker",
                                                             "/var/lib/lxd/unix.socket"};

// The node itself.
constexpr std::array<std::string_view, 31> kSensitive = {"/bin",
                                                         "/boot",
                                                         "/dev",
                                                         "/etc",
                                                         "/lib",
                                                         "/lib32",
                                                         "/lib64",
                                                         "/libx32",
                                                         "/proc",
                                                         "/root",
                                                         "/run",
                                                         "/sbin",
                                                         "/sys",
                                                         "/usr",
                                                         "/var/backups",
                                                         "/var/cache",
                                                         "/var/lib",
                                                         "/var/log",
                                                         "/var/mail",
                                                         "/var/run",
                                                         "/var/spool",
                                                         "/efi",
                                                         "/home/*/.ssh",
                                                         "/home/*/.gnupg",
                                                         "/home/*/.kube",
                                                         "/home/*/.docker",
                                                         "/home/*/.aws",
                                                         "/home/*/.azure",
                                                         "/home/*/.config/gcloud",
                                                         "/home/*/.config/containers",
                                                         "/etc/gabion"};

// What an engine itself binds out of its own directories (`engineStores`), by engine: Docker,
// containerd's CRI, kubelet, Podman and CRI-O, nerdctl.
constexpr std::array<std::string_view, 25> kStoreFiles = {
    "volumes/*/_data",
    "volumes/*/_data/**",
    "containers/*/resolv.conf",
    "containers/*/hostname",
    "containers/*/hosts",
    "containers/*/mounts/shm",
    "containers/*/mounts/secrets/**",
    "io.containerd.grpc.v1.cri/sandboxes/*/resolv.conf",
    "io.containerd.grpc.v1.cri/sandboxes/*/hostname",
    "io.containerd.grpc.v1.cri/sandboxes/*/hosts",
    "io.containerd.grpc.v1.cri/sandboxes/*/shm",
    "io.containerd.grpc.v1.cri/containers/*/volumes/**",
    "pods/*/volumes/**",
    "pods/*/volume-subpaths/**",
    "pods/*/etc-hosts",
    "pods/*/containers/*/*",
    "plugins/**/globalmount",
    "plugins/**/globalmount/**",
    "overlay-containers/*/userdata/.containerenv",
    "overlay-containers/*/userdata/hostname",
    "overlay-containers/*/userdata/hosts",
    "overlay-containers/*/userdata/resolv.conf",
    "overlay-containers/*/userdata/shm",
    "overlay-containers/*/userdata/run/secrets/**",
    "containers/*/*/resolv.conf",
};

// glob_match on the path or one of its ancestors: an entry covers what is below it.
bool covers(std::string_view pattern, std::string_view path) {
  if (path == pattern || path_is_within(path, pattern)) return true;
  if (pattern.find_first_of("*?") == std::string_view::npos) return false;
  for (size_t end = path.size(); end != std::string_view::npos && end > 0; end = path.rfind('/', end - 1)) {
    if (glob_match(pattern, path.substr(0, end))) return true;
  }
  return false;
}

// The entry without its part from the first wildcard on: "/home/*/.ssh" → "/home".
std::string_view fixed_part(std::string_view pattern) {
  const size_t star = pattern.find_first_of("*?");
  if (star == std::string_view::npos) return pattern;
  const size_t slash = pattern.rfind('/', star);
  return slash == 0 || slash == std::string_view::npos ? "/" : pattern.substr(0, slash);
}

bool contains(std::string_view path, std::string_view entry) {
  // Entries with a wildcard lie too deep to forbid every ancestor: /home is a matter of mounts.host_path.
  return entry.find_first_of("*?") == std::string_view::npos && path_is_within(entry, path);
}

template <size_t N>
std::string_view match(const std::array<std::string_view, N>& entries, std::string_view path) {
  for (const std::string_view entry : entries) {
    if (covers(entry, path) || contains(path, entry)) return entry;
  }
  return {};
}

// /var/run is /run on every node; a missing source was never resolved, and must not slip through.
std::string canonical(const std::string& resolved) {
  const std::string clean = clean_path(resolved);
  return path_is_within(clean, "/var/run") ? clean.substr(4) : clean;
}

bool is_engine_file(const Policy& policy, std::string_view path) {
  for (const std::string& store : policy.engine_stores) {
    for (size_t end = path.size(); end != std::string_view::npos && end > 0; end = path.rfind('/', end - 1)) {
      if (end == path.size() || !glob_match(store, path.substr(0, end))) continue;
      const std::string_view below = path.substr(end + 1);
      const auto fits = [&](std::string_view pattern) { return glob_match(pattern, below); };
      if (std::any_of(kStoreFiles.begin(), kStoreFiles.end(), fits)) return true;
    }
  }
  return false;
}

bool is_trusted_executable(const Policy& policy, const oci::Mount& mount, const SourceFact& fact,
                           std::string_view path) {
  const auto& trusted = policy.trusted_executables;
  return fact.kind == SourceKind::kFile && is_read_only(mount) &&
         std::find(trusted.begin(), trusted.end(), path) != trusted.end();
}

// `within`: only entries that lie in this directory count, so that allowing /srv or / never allows
// what the node must keep, while an entry that names /etc/ssl/certs does.
bool is_allowed(const Policy& policy, std::string_view path, std::string_view within) {
  return std::any_of(policy.allowed_host_paths.begin(), policy.allowed_host_paths.end(),
                     [&](const std::string& entry) {
                       return path_is_within(fixed_part(entry), within) && covers(entry, path);
                     });
}

constexpr std::string_view kHowToAllow =
    "name the directory in \"allowedHostPaths\" of the policy, or of an entry of \"exceptions\" for this "
    "container";

struct Objection {
  Rule rule;
  std::string reason;
  std::string fix;
};

bool is_kernel_filesystem(std::string_view name) {
  return std::find(kKernelFilesystems.begin(), kKernelFilesystems.end(), name) != kKernelFilesystems.end();
}

std::optional<Objection> object_to_kind(const SourceFact& fact, const std::string& path) {
  if (fact.kind == SourceKind::kSocket) {
    return Objection{Rule::kMountsSpecialFile, path + " is a socket: a way to talk to a process of the host",
                     "connect over the network instead"};
  }
  if (fact.kind == SourceKind::kBlockDevice || fact.kind == SourceKind::kCharDevice) {
    return Objection{Rule::kMountsSpecialFile, path + " is a device of the host",
                     "grant it in \"devices\" of the policy"};
  }
  if (is_kernel_filesystem(fact.filesystem)) {
    return Objection{Rule::kMountsHostFilesystem, path + " is the host's " + fact.filesystem,
                     "mount the container's own, type " + fact.filesystem};
  }
  return std::nullopt;
}

std::optional<Objection> object_to_socket(const std::string& path) {
  const std::string_view entry = match(kEngineSockets, path);
  if (entry.empty()) return std::nullopt;
  return Objection{Rule::kMountsEngineSocket,
                   path + (covers(entry, path) ? " is" : " holds " + std::string(entry) + ",") +
                       " a control socket of the node, and whoever holds one is root on the host",
                   "remove the bind; give the workload a narrow API of its own instead"};
}

std::optional<Objection> object_to_sensitive(const Policy& policy, const std::string& path) {
  if (path == "/") {
    return Objection{Rule::kMountsSensitivePath, "/ is the host itself",
                     "bind the one directory that is needed"};
  }
  if (const std::string_view entry = match(kSensitive, path); !entry.empty()) {
    const bool named = fixed_part(entry) == entry && is_allowed(policy, path, entry);
    if (!named) {
      return Objection{Rule::kMountsSensitivePath,
                       path + " is, or holds, part of the node (" + std::string(entry) + ")",
                       "copy what is needed into a volume, or " + std::string(kHowToAllow)};
    }
  }
  return std::nullopt;
}

std::optional<Objection> object_to_path(const Policy& policy, const std::string& path) {
  if (std::optional<Objection> objection = object_to_sensitive(policy, path)) return objection;
  if (!is_allowed(policy, path, "/")) {
    return Objection{Rule::kMountsHostPath, path + " is not among the host paths the policy allows",
                     "use a named volume, or " + std::string(kHowToAllow)};
  }
  return std::nullopt;
}

// The same files by other names: an allowed path must not be a way to one that is not.
std::optional<Objection> object_to_aliases(const Policy& policy, const std::string& path,
                                           const std::vector<std::string>& aliases) {
  for (const std::string& alias : aliases) {
    const std::string other = canonical(alias);
    if (is_engine_file(policy, other)) continue;
    std::optional<Objection> objection = object_to_socket(other);
    if (!objection) objection = object_to_sensitive(policy, other);
    if (!objection) continue;
    objection->reason = concat({path, " shows the files of ", other, ": ", objection->reason});
    return objection;
  }
  return std::nullopt;
}

// An rbind takes along what is mounted below its source (docker -v is one).
std::optional<Objection> object_to_nested(const Policy& policy, const SourceFact& fact) {
  for (const NestedMount& nested : fact.nested) {
    if (is_kernel_filesystem(nested.filesystem)) {
      return Objection{
          Rule::kMountsHostFilesystem, nested.path + ", mounted below it, is the host's " + nested.filesystem,
          "bind the one directory that is needed, or bind without what is mounted below (\"bind\")"};
    }
    if (std::optional<Objection> objection = object_to_aliases(policy, nested.path, nested.aliases))
      return objection;
  }
  return std::nullopt;
}

bool is_recursive(const oci::Mount& mount) {
  return std::find(mount.options.begin(), mount.options.end(), "rbind") != mount.options.end();
}

std::optional<Objection> object_to_bind(const Policy& policy, const oci::Mount& mount,
                                        const SourceFact& fact) {
  const std::string path = canonical(fact.resolved);
  if (!path.starts_with('/')) {
    return Objection{Rule::kMountsHostPath, "the source \"" + path + "\" is not an absolute path",
                     "give an absolute path"};
  }
  if (path == "/") return object_to_sensitive(policy, path);
  const bool engines_own = is_engine_file(policy, path) || is_trusted_executable(policy, mount, fact, path);
  if (!engines_own) {
    if (std::optional<Objection> objection = object_to_socket(path)) return objection;
  }
  if (std::optional<Objection> objection = object_to_kind(fact, path)) return objection;
  if (std::optional<Objection> objection = object_to_aliases(policy, path, fact.aliases)) return objection;
  if (is_recursive(mount)) {
    if (std::optional<Objection> objection = object_to_nested(policy, fact)) return objection;
  }
  return engines_own ? std::nullopt : object_to_path(policy, path);
}

}  // namespace

bool is_bind_mount(const oci::Mount& mount) {
  const auto is_bind_word = [](const std::string& option) { return option == "bind" || option == "rbind"; };
  return mount.type == "bind" || (mount.type.empty() && !mount.source.empty()) ||
         (mount.type == "none" && !mount.source.empty()) ||
         std::any_of(mount.options.begin(), mount.options.end(), is_bind_word);
}

bool judge_mount_source(const Policy& policy, const HostFacts& facts, const oci::Mount& mount,
                        const std::string& path, Recorder& log) {
  if (!is_bind_mount(mount)) {
    if (std::find(kOwnTypes.begin(), kOwnTypes.end(), mount.type) != kOwnTypes.end()) return true;
    return !log.rewrites(
        Rule::kMountsType,
        {path, mount.type + " at " + mount.destination, "",
         "a filesystem of type \"" + mount.type + "\" exposes a kernel parser or the host's state",
         "mount it on the host and bind a directory of it, or use a tmpfs or a volume"});
  }
  const auto fact = facts.sources.find(mount.source);
  if (fact == facts.sources.end()) {
    log.refuses(Rule::kMountsHostPath, {path + ".source", mount.source, "", "the source was not examined",
                                        "use an absolute path that exists"});
    return true;
  }
  const std::optional<Objection> objection = object_to_bind(policy, mount, fact->second);
  if (!objection) return true;
  return !log.rewrites(objection->rule, {path, mount.source + " at " + mount.destination, "",
                                         objection->reason, objection->fix});
}

}  // namespace gabion::policy
