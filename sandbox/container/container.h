// A container's life, as the front ends see it: one call per OCI operation. Each call reads the
// state, checks the status table, hardens what it was given, writes the audit record, and only then
// has an effect. Calls may run concurrently in any number of processes, and any of them may be
// killed at any instruction.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "audit/log.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/result.h"
#include "kernel/cgroup.h"
#include "kernel/overlay.h"
#include "oci/spec.h"
#include "policy/harden.h"
#include "policy/policy.h"

namespace gabion::container {

enum class ContainerStatus { kCreating, kCreated, kRunning, kPaused, kStopped };
std::string_view status_name(ContainerStatus status);  // "creating", "created", ...

// What every operation needs; built once by the front end from its global flags.
struct Host {
  std::string root;                             // --root: the state directory
  const policy::Policy* policy = nullptr;       // not owned
  audit::Log* audit = nullptr;                  // not owned
  bool no_cgroups = false;                      // --cgroup-manager disabled
  std::function<void(std::string_view)> debug;  // may be empty
  std::function<void(std::string_view)> warn;   // may be empty
};

// What is on disk are the ids of an image, meant for a user namespace with these maps: the engine's word, for
// one that is joined.
struct RootIds {
  std::vector<oci::IdMapping> uids;
  std::vector<oci::IdMapping> gids;
};

// Of an overlay only a view is mounted (kernel::mount_overlay_view()): if that is what root.path leads to,
// the container gets these layers, and what is missing in the root is made in the overlay itself.
struct RootView {
  kernel::OverlayLayout overlay;
  uint64_t mount = 0;                     // kernel::mount_id() of the view
  std::function<Status()> mount_overlay;  // over the view, as the engine asked for it
};

struct CreateOptions {
  std::string id;
  std::string bundle = ".";            // directory
  std::string config = "config.json";  // file name in the bundle, or an absolute path
  std::string console_socket;          // path of a unix socket that takes the terminal's master; "" none
  int console = -1;                    // the same as a connected socket; borrowed
  std::string pidfd_socket;            // path of a unix socket; "" none
  std::string pid_file;                // "" none; written last
  int preserve_fds = 0;                // descriptors 3 .. 3+n-1 go to the container
  bool no_pivot = false;
  bool no_new_keyring = false;
  std::optional<RootIds> root_ids;
  // Mounts the root, in a mount namespace of the caller's own; called once the bundle was read, before the
  // root is looked at. Empty: it is mounted.
  std::function<Result<std::optional<RootView>>()> mount_root;
  bool detach = true;  // false only for foreground `run`
  int watcher = -1;   // socket of the caller's parent, who listens to violations itself (watcher.h); borrowed
  int recorder = -1;  // record() sets it: socket that takes the listener of a recording; borrowed
};

struct ExecOptions {
  std::string id;
  oci::Process process;  // whole: the front end merges flags into the container's own
  std::string console_socket;
  int console = -1;
  std::string pidfd_socket;
  std::string pid_file;
  int preserve_fds = 0;
  bool detach = false;
  bool ignore_paused = false;
  std::string cgroup;  // sub-cgroup, --cgroup; "" the container's
};

struct Info {
  std::string id;
  std::string oci_version;
  ContainerStatus status = ContainerStatus::kStopped;
  pid_t pid = 0;  // 0 when stopped
  std::string bundle;
  std::string rootfs;
  std::string created;  // RFC 3339
  std::string owner;    // user name of the state directory's owner
  std::vector<std::pair<std::string, std::string>> annotations;
};

// Also the document hooks read on stdin; runc's `state` prints rootfs, created and owner besides.
json::Value oci_state(const Info& info);

struct Created {
  pid_t pid = 0;                  // of its first process, a child of the caller
  bool own_pid_namespace = true;  // with which every other process ends
  kernel::CgroupLocation cgroup;  // empty: cgroups disabled
  std::string seccomp_profile;    // of which, as CreateOptions::watcher, to answer these
  policy::Violations violations;
};
Result<Created> create(const Host& host, const CreateOptions& options);
Status start(const Host& host, const std::string& id);
// create + start + (unless detached) wait and delete; the value is the exit code (128+N for signals).
Result<int> run(const Host& host, const CreateOptions& options, bool keep);
// run in the foreground, with every system call noted (container/profile_recorder.h).
struct Recording {
  int exit_code = 0;     // the container's
  std::string document;  // a seccomp profile of what it called
};
Result<Recording> record(const Host& host, CreateOptions options);
struct Executed {
  pid_t pid = 0;      // a child of the caller; detached, it is still to be waited for
  int exit_code = 0;  // detached: 0
};
Result<Executed> exec(const Host& host, const ExecOptions& options);
Status kill(const Host& host, const std::string& id, int signal, bool all);
Status remove(const Host& host, const std::string& id, bool force);
Status pause(const Host& host, const std::string& id);
Status resume(const Host& host, const std::string& id);
Status update(const Host& host, const std::string& id, const oci::Resources& resources);

// What only its parent sees of a container, for the audit log: `event` "container.exit", "container.oom",
// "exec.exit" or "exec.kill".
Status note(const Host& host, const std::string& id, const std::string& event, const std::string& detail);

Result<Info> info(const Host& host, const std::string& id);
Result<std::vector<Info>> list(const Host& host);
Result<std::vector<pid_t>> processes(const Host& host, const std::string& id);
// The hardened config the container runs with; exec flags are merged into its process.
Result<oci::Spec> config(const Host& host, const std::string& id);
Result<kernel::Cgroup> open_cgroup(const Host& host, const std::string& id);

// What `gabion explain BUNDLE` prints: decisions without running anything.
struct Explanation {
  bool refused = false;
  std::vector<policy::Decision> decisions;
  std::optional<oci::Spec> hardened;
  policy::Controls controls;
};
Result<Explanation> explain(const Host& host, const std::string& bundle, const std::string& config);

}  // namespace gabion::container
