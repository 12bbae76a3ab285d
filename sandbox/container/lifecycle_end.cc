// kill and delete: what must work in every state a killed creator can leave behind.
#include <signal.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/text.h"
#include "container/hooks.h"
#include "container/id_range.h"
#include "container/lifecycle.h"
#include "container/monitor.h"

namespace gabion::container {
namespace {

constexpr int kEndTimeoutMs = 10'000;

Error not_running() { return make_error(Code::kWrongState, "container not running"); }

// To every process of the cgroup. SIGKILL also thaws a frozen group and follows forks.
Status signal_everything(const State& state, int signal) {
  kernel::Cgroup cgroup = kernel::Cgroup::open(state.cgroup);
  if (signal == SIGKILL) return cgroup.kill_all(kEndTimeoutMs);
  return cgroup.signal_all(signal);
}

Status kill_whole(const Live& live, int signal) {
  if (has_cgroup(live.state)) return signal_everything(live.state, signal);
  if (!live.init) return ok_status();
  // The kernel ends a pid namespace with its init; another signal has no such reach.
  if (signal == SIGKILL && live.state.own_pid_namespace) return live.init->signal(signal);
  return make_error(Code::kUnsupported,
                    concat({"cannot signal every process of container ", live.state.id,
                            ": it was created with cgroups disabled; kill without --all"}));
}

Status kill_init(const Live& live, int signal) {
  if (signal == SIGKILL && !live.state.own_pid_namespace && has_cgroup(live.state)) {
    // In a shared pid namespace nothing ends with init.
    return signal_everything(live.state, signal);
  }
  TRY(live.init->signal(signal));
  if (signal == SIGKILL && live.status == ContainerStatus::kPaused) {
    // cgroup v1: a frozen process does not die before it is thawed.
    return kernel::Cgroup::open(live.state.cgroup).thaw();
  }
  return ok_status();
}

void run_poststop(const Host& host, const Store& store, const Live& live) {
  if (live.state.hooks.poststop.empty()) return;
  Info stopped = info_of(live, store);
  stopped.status = ContainerStatus::kStopped;
  stopped.pid = 0;
  struct stat bundle {};
  const bool present = ::stat(stopped.bundle.c_str(), &bundle) == 0 && S_ISDIR(bundle.st_mode);
  // The specification: a failing poststop hook is logged, and the container is deleted regardless.
  const Status done = run_hooks(live.state.hooks.poststop, "poststop", json::write(oci_state(stopped)),
                                present ? stopped.bundle : "/");
  if (!done.ok() && host.warn) host.warn(done.error().message());
}

// A state.json that is lost or damaged says nothing of the cgroup, which it named before it was made. The
// hardened config.json names it too, once the process is being made; where there is neither, nothing is
// known.
void recall_cgroup(const Host& host, State& state) {
  const bool never_saved_or_damaged = state.phase == ContainerStatus::kCreating && state.bundle.empty();
  if (!never_saved_or_damaged || host.no_cgroups) return;
  const Result<oci::Spec> spec = config(host, state.id);
  if (!spec.ok()) return;
  Result<kernel::CgroupLocation> location = kernel::Cgroup::locate(spec->linux_.cgroups_path, state.id);
  if (location.ok()) state.cgroup = std::move(location).value();
}

}  // namespace

Status destroy(const Host& host, const Store& store, const Live& live) {
  const State& state = live.state;
  const std::string directory = store.directory(state.id);
  if (live.init) {
    Status killed = live.init->signal(SIGKILL);
    if (!killed.ok() && killed.error().code != Code::kNotFound) return killed;
  }
  const bool grouped = has_cgroup(state);
  const bool vacant = grouped && !live.init && kernel::Cgroup::open(state.cgroup).remove_if_vacant();
  if (grouped && !vacant) {
    TRY_AT(kernel::Cgroup::open(state.cgroup).kill_all(kEndTimeoutMs),
           concat({"cannot end the processes of container ", state.id}));
  }
  if (live.init) {
    const bool ended = TRY(live.init->wait_exit(kEndTimeoutMs));
    if (!ended) {
      return make_error(Code::kWrongState,
                        concat({"process ", std::to_string(live.init->pid()), " of container ", state.id,
                                " does not end although it was killed: it may wait for a device or a file "
                                "server (see /proc/",
                                std::to_string(live.init->pid()), "/stack); delete again later"}));
    }
  }
  end_monitor(state.monitor);
  if (grouped && !vacant) {
    TRY_AT(kernel::Cgroup::open(state.cgroup).remove(),
           concat({"remove the cgroup of container ", state.id}));
  }
  // Only now may another container get these ids: nothing runs with them any more.
  if (state.phase == ContainerStatus::kCreating) {
    TRY(release_all_id_slots(directory));
  } else if (state.id_size != 0) {
    TRY(release_id_slot(state.id_base, directory));
  }
  run_poststop(host, store, live);
  return store.erase(state.id);
}

Status kill(const Host& host, const std::string& id, int signal, bool all) {
  const Store store = TRY(Store::open(host.root));
  // Without the lock: a start that waits for a slow hook must not keep anybody from killing.
  const Live live = TRY(inspect(store, id, false));
  const bool alive =
      live.init && live.status != ContainerStatus::kStopped && live.status != ContainerStatus::kCreating;
  if (!alive && !all) {
    // With a shared pid namespace, processes may have outlived init.
    const bool left_over = signal == SIGKILL && !live.state.own_pid_namespace && has_cgroup(live.state);
    if (!left_over) return not_running();
    const std::vector<pid_t> left = TRY(kernel::Cgroup::open(live.state.cgroup).processes());
    if (left.empty()) return not_running();
    all = true;
  }
  audit::Record record = audit_record(host, "container.kill", live.state);
  record.detail = concat({"signal ", std::to_string(signal), all ? " to all" : ""});
  append_audit_or_debug(host, record);
  return with_outcome(host, record, all ? kill_whole(live, signal) : kill_init(live, signal));
}

Status remove(const Host& host, const std::string& id, bool force) {
  const Store store = TRY(Store::open(host.root));
  TRY(check_id(id));
  Result<Fd> lock = store.lock(id);
  if (!lock.ok()) {
    if (!force || lock.error().code != Code::kNotFound) return std::move(lock).error();
    // Engines delete a second time as a matter of course; runc says nothing then. Also clears what
    // a killed deletion left behind.
    return store.erase_leftovers();
  }
  Live live = TRY(inspect(store, id, true));
  recall_cgroup(host, live.state);
  // A created container has run nothing of its own yet: deleting it needs no force, as in runc.
  const bool idle = live.status == ContainerStatus::kStopped || live.status == ContainerStatus::kCreated;
  if (!idle && !force) {
    return make_error(Code::kWrongState, concat({"cannot delete container ", id,
                                                 " that is not stopped: ", status_name(live.status)}));
  }
  audit::Record record = audit_record(host, "container.delete", live.state);
  record.detail = concat({force ? "forced, " : "", status_name(live.status)});
  append_audit_or_debug(host, record);
  return with_outcome(host, record, destroy(host, store, live));
}

}  // namespace gabion::container
