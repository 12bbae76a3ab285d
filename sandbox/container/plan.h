// A launch, decided in full: descriptors, numbers and bytes. What make_plan() cannot resolve never
// reaches a child process; below here there is no JSON and no path of the request.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "base/result.h"
#include "container/container.h"
#include "container/id_range.h"
#include "container/landlock_rules.h"
#include "container/survey.h"
#include "kernel/attributes.h"
#include "kernel/capabilities.h"
#include "kernel/cgroup.h"
#include "kernel/mount.h"
#include "kernel/overlay.h"
#include "kernel/seccomp.h"
#include "kernel/user_namespace.h"
#include "oci/spec.h"
#include "policy/harden.h"

namespace gabion::container {

struct MountOp {
  enum class Kind {
    kTree,        // a detached copy of a host mount
    kFilesystem,  // a new instance of `type`
    kCgroup,      // the container's own cgroup directories
    kVolatile,    // the launch's scratch tmpfs, over the image's own directory where that holds anything
  };
  Kind kind = Kind::kFilesystem;
  std::string destination;
  NodeKind node = NodeKind::kDirectory;
  Links links = Links::kInside;  // kNone below /proc, /sys and /dev
  Fd tree;
  bool recursive = false;  // the tree holds mounts below its root
  bool shift = false;      // idmap it by the container's user namespace
  Fd shift_by;             // ... or by this one (mounts[].uidMappings)
  std::string type;
  std::string source;
  std::vector<kernel::FilesystemOption> options;
  bool copy_up = false;  // tmpfs: filled with what the image has at the destination (tmpcopyup)
  kernel::MountAttributes attributes;
  kernel::MountAttributes recursive_attributes;
  // kCgroup on v1 and hybrid hosts: directory name → detached copy; on v2 one entry named "".
  std::vector<std::pair<std::string, Fd>> hierarchies;
};

struct DeviceNode {
  std::string path;
  mode_t mode = 0;  // type and permissions
  dev_t device = 0;
  uint32_t uid = 0;  // outside
  uint32_t gid = 0;
};

struct RootPlan {
  Fd directory;  // the engine's root as it stands: mount points are made through it, as the host's root
  // RootView's, while `directory` is only that view: make_in_engine_root() calls it, once.
  std::function<Status()> mount_overlay;
  Fd tree;  // a detached copy, when the root is not an overlay that must be rebuilt
  std::optional<kernel::OverlayLayers> layers;
  bool shift = false;  // idmap it by the container's user namespace
  bool readonly = false;
  // Read-only only after the createContainer hooks, as in runc: passthrough specs count on it.
  bool late_readonly = false;
  bool nosuid_nodev = false;
  uint64_t propagation = 0;
};

struct NamespacePlan {
  // kHost: all but the user namespace belong to the host's, and it is entered last; no capability of
  // the container counts for any of them. kContainer: it is entered first and owns those made here,
  // which is what the specification means and what nested workloads need.
  enum class Owner { kHost, kContainer };
  Owner owner = Owner::kHost;
  uint64_t create = 0;                   // CLONE_NEW* flags for clone3(2), CLONE_NEWUSER never among them
  bool own_cgroup = false;               // unshared after the cgroup is joined
  std::vector<std::pair<int, Fd>> join;  // type → nsfs descriptor, pid and user excluded
  Fd join_pid;
  bool own_time = false;
  std::string time_offsets;             // lines for /proc/self/timens_offsets
  Fd user;                              // invalid: none
  kernel::NamespaceHolder user_holder;  // dying, where the namespace is new: waited for when the plan goes
  std::vector<kernel::IdMap> uids;      // empty: no user namespace, or one whose map is unknown
  std::vector<kernel::IdMap> gids;
  bool forbid_nested = false;
  bool new_network = false;
  Fd into_cgroup;  // cgroup2 directory clone3(2) puts the child in; invalid: none

  // A mount namespace is made, and the host's root acts in it.
  [[nodiscard]] bool own_host_mounts() const { return owner == Owner::kHost && (create & CLONE_NEWNS) != 0; }
  // An id of the container as the process that sets the container up must say it.
  [[nodiscard]] uint32_t uid_here(uint32_t inside) const {
    return owner == Owner::kContainer ? inside : kernel::map_to_host(uids, inside);
  }
  [[nodiscard]] uint32_t gid_here(uint32_t inside) const {
    return owner == Owner::kContainer ? inside : kernel::map_to_host(gids, inside);
  }
};

// What a process becomes: the container's first, or one that exec adds.
struct ProcessPlan {
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string cwd;
  uid_t uid = 0;  // inside
  gid_t gid = 0;
  std::vector<gid_t> groups;
  std::optional<mode_t> umask;
  kernel::CapabilitySets capabilities;
  bool no_new_privileges = false;
  std::vector<kernel::Limit> limits;
  std::optional<int> oom_score_adj;
  kernel::Scheduling scheduling;
  std::optional<kernel::MemoryPolicy> memory_policy;
  std::string io_class;
  int io_priority = 0;
  std::string initial_affinity;
  std::string final_affinity;
  std::string personality;
  std::string apparmor_profile;
  std::string selinux_label;
  bool terminal = false;
  uint16_t rows = 0;
  uint16_t columns = 0;
  bool shed_priority = false;  // what it inherits is no better than an ordinary process's
  bool own_stdio = false;      // pipes on 0, 1, 2 are given to the process's user
  bool new_keyring = true;
  std::string keyring_name;
  struct Filter {
    kernel::seccomp::Program program;
    uint32_t flags = 0;
    // Who is sent the filter's listener: linux.seccomp.listenerPath's agent, whoever records a profile
    // (profile_recorder.h), or the container's monitor.
    enum class Listener : uint8_t { kNone, kAgent, kRecorder, kMonitor };
    Listener listener = Listener::kNone;
  };
  std::vector<Filter> filters;
  std::vector<LandlockPlace> landlock;  // what it may do with files; empty: not asked for
  Fd landlock_ruleset;                  // the same, opened in the container's root
  bool deny_write_execute = false;      // memory that was writable never becomes executable
  Fd listener;                          // connected socket of linux.seccomp.listenerPath, or of the recorder
  std::string listener_metadata;
  std::string listener_state;  // what is sent with the descriptor; only the process knows its pid
  Fd monitor;                  // monitor.h
};

struct Plan {
  std::string id;
  RootPlan root;
  std::vector<MountOp> mounts;
  bool shift_binds = false;    // those without id maps of their own, too
  uint64_t scratch_bytes = 0;  // size of the tmpfs behind kVolatile mounts
  std::vector<DeviceNode> devices;
  Fd device_store;  // Owner::kContainer: a detached filesystem of the host with the nodes, "0", "1", ...
  std::vector<std::pair<std::string, std::string>> links;  // path → target, in /dev
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;
  Fd null_device;  // O_PATH, verified to be 1:3; masks files
  NamespacePlan namespaces;
  std::string hostname;
  std::string domainname;
  std::vector<std::pair<std::string, std::string>> sysctls;  // "net/ipv4/ip_forward" → value
  std::vector<Fd> cgroup_procs;                              // v1: the child writes "0" to each
  ProcessPlan process;
  std::vector<oci::Hook> create_container_hooks;
  std::vector<oci::Hook> start_container_hooks;
  std::string bundle;
  // An empty directory of the host: overlays are put together on it, in the container's mount namespace, out
  // of sight for everybody else but createContainer hooks, which must find nothing of theirs covered.
  std::string stage;
  bool pivot = true;
};

struct PlanInputs {
  std::string id;
  std::string bundle;  // absolute
  std::optional<IdSlot> slot;
  std::string stage;  // see Plan
  bool no_pivot = false;
  bool no_new_keyring = false;
  std::optional<RootIds> root_ids;
  std::optional<RootView> root_view;  // CreateOptions::mount_root's
};

// Opens, clones and compiles; changes nothing that outlives this process but missing mount points
// inside the container's root (as every runtime does). `survey` must be of the spec `hardened` was made from.
Result<Plan> make_plan(const policy::HardenedSpec& hardened, const Survey& survey, const PlanInputs& inputs);

// The process part alone, for exec.
Result<ProcessPlan> make_process_plan(const oci::Process& process, bool own_stdio);

// Opens what the filters' listener needs; nothing when the spec has no listenerPath.
Status connect_listener(ProcessPlan& process, const std::optional<oci::Seccomp>& spec_filter);
// config-linux.md, "The Container Process State": what the listener is sent with the descriptor.
std::string listener_state(const std::string& metadata, pid_t pid, const json::Value& state);

// The filters of a container, in the order they are installed: gabion's own, those the policy pins, the
// specification's. `spec_filter` may be absent. `bounding` is the process's capability bounding set: what it
// can have at most.
Result<std::vector<ProcessPlan::Filter>> make_filters(const std::optional<oci::Seccomp>& spec_filter,
                                                      const policy::Controls& controls,
                                                      kernel::CapabilitySet bounding);

// Copies of the cgroup's directories for MountOp::hierarchies, and its cgroup.procs files: once they have
// been made, by the parent or, where that happens later, in the child.
Status add_cgroup(Plan& plan, const kernel::Cgroup& cgroup);

}  // namespace gabion::container
