// exec: another process in a running container, held to what the first one was.
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "container/become.h"
#include "container/caller.h"
#include "container/confine.h"
#include "container/container.h"
#include "container/entrance.h"
#include "container/foreground.h"
#include "container/launch.h"
#include "container/lifecycle.h"
#include "container/monitor.h"
#include "container/plan.h"
#include "container/plan_parts.h"
#include "container/sealed_copy.h"
#include "container/spawn.h"
#include "kernel/socket.h"
#include "kernel/terminal.h"
#include "kernel/user_namespace_map.h"
#include "oci/check.h"

namespace gabion::container {

namespace {

// The user namespace comes last.
constexpr int kNamespacesFirst =
    CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWNS;

struct ExecPlan {
  ProcessPlan process;
  NamespacePlan namespaces;  // `user` and the maps only
  std::vector<Fd> cgroup_procs;
  int init_pidfd = -1;
  int console_socket = -1;
  int preserve_fds = 0;
  bool waits_for_resume = false;
  Info state;  // of the container, for a seccomp listener
};

Result<Fd> exec_terminal(const ExecPlan& plan) {
  const Fd devpts = TRY_AT(open_path("/dev/pts", O_PATH | O_DIRECTORY | O_NOFOLLOW), "console");
  kernel::Terminal terminal =
      TRY(kernel::open_terminal(devpts.get(), plan.process.rows, plan.process.columns));
  const uid_t uid = kernel::map_to_host(plan.namespaces.uids, plan.process.uid);
  if (::fchown(terminal.slave.get(), uid, static_cast<gid_t>(-1)) != 0) return sys_error("console: chown");
  TRY_AT(kernel::send_descriptor(plan.console_socket, terminal.master.get(), "/dev/pts/ptmx"),
         "console socket");
  return std::move(terminal.slave);
}

// Without a user namespace between, what the go-between has left are the host's rights, and the process is
// seen in the container before its last steps have cut them: it gets no more than those steps need, which are
// a look at its working directory and program, and a filter without no_new_privs (seccomp(2)).
Status shed_rights_of_the_host(const ProcessPlan& process) {
  const kernel::CapabilitySets& sets = process.capabilities;
  kernel::CapabilitySet keep = sets.permitted | sets.effective | sets.inheritable | sets.ambient;
  keep |= kernel::CapabilitySet{1} << CAP_DAC_OVERRIDE;
  if (!process.no_new_privileges && !process.filters.empty())
    keep |= kernel::CapabilitySet{1} << CAP_SYS_ADMIN;
  return kernel::limit_permitted(keep);
}

// In the go-between: whatever takes the host's rights and descriptors.
Result<std::vector<int>> enter_container(ExecPlan& plan) {
  for (const Fd& procs : plan.cgroup_procs)
    TRY_AT(write_all(procs.get(), "0"), "join the container's cgroup");
  // The host's: the container's own /proc may be anything.
  const Fd proc = TRY(open_path("/proc", O_PATH | O_DIRECTORY));
  if (::setns(plan.init_pidfd, kNamespacesFirst) != 0) return sys_error("join the container's namespaces");
  Fd console;
  if (plan.process.terminal) console = TRY(exec_terminal(plan));
  TRY(set_privileged_attributes(plan.process, proc.get()));
  if (console.valid()) {
    TRY(kernel::put_on_stdio(console.get()));
  } else {
    TRY(give_stdio(plan.process, plan.namespaces));
  }
  plan.process.landlock_ruleset = TRY(open_landlock(plan.process, proc.get()));
  TRY(take_identity(plan.process, plan.namespaces, proc.get()));
  guard_child();  // the change of user has undone it
  if (!plan.namespaces.user.valid()) TRY(shed_rights_of_the_host(plan.process));
  const ProcessPlan& process = plan.process;
  return std::vector<int>{process.listener.get(), process.monitor.get(), process.landlock_ruleset.get()};
}

// In the process, as it will be: paths such as /proc/self are its own only here.
Result<std::string> prepare(ExecPlan& plan) {
  if (::setsid() < 0 && errno != EPERM) return sys_error("setsid");
  if (plan.process.terminal) TRY(kernel::adopt_terminal(0));
  TRY(enter_working_directory(plan.process));
  set_home(plan.process);
  return find_executable(plan.process);
}

Result<Child> enter(Entrance& entrance, ExecPlan& plan) {
  std::string program;
  return entrance.enter({.outside = [&] { return enter_container(plan); },
                         .preserve_fds = plan.preserve_fds,
                         .inside = [&]() -> Status {
                           program = TRY(prepare(plan));
                           return ok_status();
                         },
                         .execute =
                             [&](pid_t pid) {
                               if (plan.process.listener.valid()) {
                                 plan.process.listener_state = listener_state(plan.process.listener_metadata,
                                                                              pid, oci_state(plan.state));
                               }
                               return execute(plan.process, program);
                             },
                         .patience_ms = plan.waits_for_resume ? -1 : Entrance::Steps().patience_ms},
                        plan.namespaces.into_cgroup.get());
}

Status check_status(const Live& live, const ExecOptions& options) {
  if (live.status == ContainerStatus::kStopped || live.status == ContainerStatus::kCreating) {
    return make_error(Code::kWrongState, "cannot exec in a stopped container");
  }
  if (live.status == ContainerStatus::kPaused && !options.ignore_paused) {
    return make_error(Code::kWrongState,
                      "cannot exec in a paused container (use --ignore-paused to override)");
  }
  // Its filters would have no listener of their own, and the one that records belongs to another process.
  if (live.state.recorded) {
    return make_error(
        Code::kWrongState,
        "cannot exec in a container that is being recorded (gabion profile record): what the "
        "new process calls would be missing from the profile; wait for the end of the recording, or "
        "let the container's own process start the program");
  }
  return ok_status();
}

bool joins_user_namespace(const oci::Spec& spec) {
  const auto& namespaces = spec.linux_.namespaces;
  return std::any_of(namespaces.begin(), namespaces.end(), [](const oci::Namespace& entry) {
    return entry.type == oci::NamespaceType::kUser && !entry.path.empty();
  });
}

// Of a user namespace that is joined the specification has the name alone; the kernel knows its ids.
Result<bool> shares_host_root(const State& state, const oci::Spec& spec, const Process& init) {
  if (state.id_size != 0 || !reaches_host_root(spec)) return false;
  if (!joins_user_namespace(spec)) return true;
  const std::string path = concat({"/proc/", std::to_string(init.pid()), "/uid_map"});
  const std::string text = TRY(read_file(path, size_t{1} << 16));
  // The path was resolved by number: still the same process?
  TRY(Process::open(init.pid(), state.init_start_time));
  const std::vector<kernel::IdMap> maps = kernel::parse_id_map(text);
  return std::any_of(maps.begin(), maps.end(), [](const kernel::IdMap& map) { return map.outside == 0; });
}

Result<NamespacePlan> container_namespaces(const State& state, const oci::Spec& spec, const Process& init) {
  NamespacePlan plan;
  if (state.id_size != 0) {
    plan.uids = plan.gids = {{0, state.id_base, state.id_size}};
  } else {
    plan.uids = id_maps(spec.linux_.uid_mappings);
    plan.gids = id_maps(spec.linux_.gid_mappings);
  }
  for (const oci::Namespace& entry : spec.linux_.namespaces) {
    if (entry.type != oci::NamespaceType::kUser) continue;
    plan.user = TRY(open_path(concat({"/proc/", std::to_string(init.pid()), "/ns/user"}), O_RDONLY));
  }
  if (state.id_size != 0 && !plan.user.valid()) {
    plan.user = TRY(open_path(concat({"/proc/", std::to_string(init.pid()), "/ns/user"}), O_RDONLY));
  }
  // /proc/PID was resolved by number: still the same process?
  TRY(Process::open(init.pid(), state.init_start_time));
  return plan;
}

}  // namespace

Result<Executed> exec(const Host& host, const ExecOptions& options) {
  TRY(guard_descriptors(options.preserve_fds));
  const Store store = TRY(Store::open(host.root));
  Live live = TRY(inspect(store, options.id, false));
  TRY(check_status(live, options));
  TRY(check_console(options.detach, options.process.terminal, options.console_socket, options.console));
  TRY(oci::check_process(options.process));
  const oci::Spec running = TRY(config(host, options.id));
  const bool shared = TRY(shares_host_root(live.state, running, *live.init));
  if (shared) TRY(run_from_sealed_copy());

  audit::Record record = audit_record(host, "exec.start", live.state);
  record.argv = options.process.args;
  auto verdict = policy::harden_process(options.process, running.process.value_or(oci::Process{}),
                                        *host.policy, live.state.controls.exceptions);
  if (const auto* refusal = std::get_if<policy::Refusal>(&verdict)) {
    return refuse(host, std::move(record), refusal->decisions);
  }
  const auto& hardened = std::get<policy::HardenedProcess>(verdict);
  record.decisions = hardened.decisions();
  TRY(append_audit(host, record));

  ExecPlan plan;
  plan.process = TRY(make_process_plan(hardened.process(), live.state.controls.private_stdio));
  plan.process.shed_priority = live.state.controls.seal_namespaces;
  plan.process.filters =
      TRY(make_filters(running.linux_.seccomp, live.state.controls, plan.process.capabilities.bounding));
  TRY(plan_confinement(plan.process, running, live.state.controls));
  if (live.state.controls.landlock) {
    if (live.state.landlock.empty()) {
      return make_error(Code::kWrongState, "landlock: the container had no process to find its places with");
    }
    plan.process.landlock = live.state.landlock;
  }
  if (running.linux_.personality) plan.process.personality = running.linux_.personality->domain;
  // The session keyring of the caller is the host's; runc joins the container's by this name too.
  plan.process.keyring_name = concat({"_ses.", options.id});
  TRY(connect_listener(plan.process, running.linux_.seccomp));
  if (live.state.controls.violations.any()) {
    plan.process.monitor = TRY(with_outcome(host, record, connect_monitor(store.directory(options.id))));
  }
  plan.state = info_of(live, store);
  plan.namespaces = TRY(container_namespaces(live.state, running, *live.init));
  plan.init_pidfd = live.init->pidfd();
  if (has_cgroup(live.state)) {
    const kernel::Cgroup cgroup = kernel::Cgroup::open(live.state.cgroup);
    plan.cgroup_procs = TRY(cgroup.open_procs(options.cgroup, kernel::Cgroup::Join::kWithoutUnified));
    plan.namespaces.into_cgroup = TRY(cgroup.open_into(options.cgroup));
  }
  ConsoleEnds console;
  if (plan.process.terminal) console = TRY(console_ends(options.console_socket, options.console));
  plan.console_socket = console.sender.get();
  plan.preserve_fds = options.preserve_fds;
  plan.waits_for_resume = live.status == ContainerStatus::kPaused;
  std::optional<SignalForwarder> forwarder;
  if (!options.detach) forwarder = TRY(SignalForwarder::open());

  // A deadline scheduler's process cannot fork(2), and a flag takes the policy from those it forks: so the
  // process is given its own once there is nothing left to fork.
  const kernel::Scheduling scheduling = std::exchange(plan.process.scheduling, {});
  const auto entrance = TRY(Entrance::open());
  auto failed = [&](Error error) {
    return record_failure(host, record,
                          std::move(error).wrap("exec failed: unable to start container process"));
  };
  const Result<Child> entered = enter(*entrance, plan);
  if (!entered.ok()) return failed(entered.error());
  const Child& child = *entered;
  Fd terminal;
  const Status ready = [&]() -> Status {
    TRY_AT(kernel::set_scheduling(scheduling, child.pid), "process.scheduler");
    if (console.receiver.valid()) terminal = TRY(receive_console(console.receiver.get()));
    TRY(send_pidfd(options.pidfd_socket, child));
    TRY(write_pid_file(options.pid_file, child.pid));
    return entrance->commit();
  }();
  if (!ready.ok()) {
    put_down(child);
    return failed(ready.error());
  }
  if (options.detach) return Executed{.pid = child.pid, .exit_code = 0};
  return Executed{.pid = child.pid, .exit_code = TRY(forwarder->wait(child.pid, terminal.get()))};
}

}  // namespace gabion::container
