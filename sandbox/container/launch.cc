#include "container/launch.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "container/admission.h"
#include "container/caller.h"
#include "container/foreground.h"
#include "container/hooks.h"
#include "container/id_range.h"
#include "container/init.h"
#include "container/lifecycle.h"
#include "container/limits_of.h"
#include "container/monitor.h"
#include "container/plan.h"
#include "container/plan_parts.h"
#include "container/process.h"
#include "container/profile_recorder.h"
#include "container/sealed_copy.h"
#include "container/start_socket.h"
#include "container/survey.h"
#include "kernel/net.h"
#include "oci/writer.h"

namespace gabion::container {

namespace {

constexpr int kEndTimeoutMs = 10'000;

bool owns_namespace(const oci::Spec& spec, oci::NamespaceType type) {
  for (const oci::Namespace& entry : spec.linux_.namespaces) {
    if (entry.type == type) return entry.path.empty();
  }
  return false;
}

State first_state(const Host& host, const CreateOptions& options, const BundleConfig& config,
                  const policy::HardenedSpec& hardened) {
  const oci::Spec& spec = hardened.spec();
  State state;
  state.id = options.id;
  state.oci_version = spec.oci_version;
  state.bundle = config.bundle;
  state.rootfs = root_path(spec, config.bundle);
  state.created = now_rfc3339();
  state.own_pid_namespace = owns_namespace(spec, oci::NamespaceType::kPid);
  state.policy = host.policy->name;
  state.policy_sha256 = host.policy->sha256;
  state.controls = hardened.controls();
  state.recorded = options.recorder >= 0;
  state.annotations = spec.annotations;
  state.hooks = spec.hooks;
  return state;
}

Info live_info(const State& state, ContainerStatus status, pid_t pid) {
  Info info;
  info.id = state.id;
  info.oci_version = state.oci_version;
  info.status = status;
  info.pid = pid;
  info.bundle = state.bundle;
  info.rootfs = state.rootfs;
  info.created = state.created;
  info.annotations = state.annotations;
  return info;
}

// Before the state names the group: killed after that, `delete --force` ends whatever runs in it, and
// that must not be somebody else's.
Status require_vacant(const kernel::CgroupLocation& location) {
  const Result<std::vector<pid_t>> running = kernel::Cgroup::open(location).processes();
  if (!running.ok() && running.error().code == Code::kNotFound) return ok_status();
  if (!running.ok()) return Error(running.error());
  if (running->empty()) return ok_status();
  return make_error(Code::kWrongState,
                    concat({"container's cgroup is not empty: ", std::to_string(running->size()),
                            " process(es) found in \"", location.directories.front().second, "\""}));
}

// Before the process. On a host with v1 hierarchies only what clone3(2) needs: the rest is made while the
// process mounts. Not so in a mount namespace that it joins, where it may not find the host's cgroups, nor
// when it is made inside the container's user namespace, which has no right to join them.
Status make_cgroup(Plan& plan, InitInputs& inputs, const oci::Spec& spec, Launch& made) {
  const kernel::CgroupLocation& location = made.state.cgroup;
  if (location.has_v1() && plan.namespaces.own_host_mounts()) {
    inputs.late_cgroup = location;
    made.cgroup = TRY(kernel::Cgroup::create_unified(location));
    plan.namespaces.into_cgroup = TRY(made.cgroup->open_into());
    return ok_status();
  }
  made.cgroup = TRY(kernel::Cgroup::create(location, create_limits(spec)));
  return add_cgroup(plan, *made.cgroup);
}

Status finish_cgroup(const InitInputs& inputs, const oci::Spec& spec, Launch& made) {
  if (!inputs.late_cgroup) return ok_status();
  made.cgroup = TRY(kernel::Cgroup::create_v1(*inputs.late_cgroup, create_limits(spec)));
  // A process that has failed meanwhile does not hear this; why is the next thing read from it.
  (void)made.child.channel.send(MessageKind::kGrouped);
  return ok_status();
}

Status run_parent_hooks(const Launch& made, const oci::Spec& spec, const Survey& seen) {
  TRY(made.child.channel.expect(MessageKind::kHooks));
  const std::string text =
      json::write(oci_state(live_info(made.state, ContainerStatus::kCreating, made.child.pid)));
  TRY(run_hooks(spec.hooks.prestart, "prestart", text, made.state.bundle, &seen.hooks));
  TRY(run_hooks(spec.hooks.create_runtime, "createRuntime", text, made.state.bundle, &seen.hooks));
  return made.child.channel.send(MessageKind::kContinue);
}

}  // namespace

Launch::~Launch() {
  if (kept_) return;
  if (child.pid != 0) {
    child.channel.close();
    (void)::kill(child.pid, SIGKILL);  // our own unreaped child: also when there is no descriptor to be had
    if (cgroup) (void)cgroup->kill_all(kEndTimeoutMs);
    (void)reap(child.pid);
  }
  if (state.monitor.pid != 0) {
    (void)::kill(state.monitor.pid, SIGKILL);  // our own unreaped child, too
    (void)reap(state.monitor.pid);
  }
  // Nothing more can be done here about what does not go. `delete --force` will try again only if the
  // directory stays, so it is kept then.
  const bool ungrouped = !cgroup || cgroup->remove().ok();
  const bool released = ungrouped && (state.id_size == 0 || release_all_id_slots(directory_).ok());
  if (!released) reservation_->commit();
}

void Launch::keep() {
  kept_ = true;
  reservation_->commit();
  reservation_.reset();
}

Status run_poststart(const Host&, const State& state, pid_t pid) {
  if (state.hooks.poststart.empty()) return ok_status();
  return run_hooks(state.hooks.poststart, "poststart",
                   json::write(oci_state(live_info(state, ContainerStatus::kRunning, pid))), state.bundle);
}

namespace {

// Takes the id range and names every resource in the state before it exists.
Status claim(const Host& host, const Store& store, const Judged& judged, PlanInputs& inputs, Launch& made) {
  if (judged.hardened.controls().own_user_namespace) {
    inputs.slot = TRY(take_id_slot(host.policy->ids, store.directory(inputs.id)));
    made.state.id_base = inputs.slot->base;
    made.state.id_size = inputs.slot->size;
  }
  const oci::Spec& spec = judged.hardened.spec();
  if (!host.no_cgroups) {
    kernel::CgroupLocation location = TRY(kernel::Cgroup::locate(spec.linux_.cgroups_path, inputs.id));
    TRY_AT(require_vacant(location), "cgroup");
    made.state.cgroup = std::move(location);
  }
  TRY(store.save(made.state));
  if (::mkdir(inputs.stage.c_str(), 0700) != 0) return sys_error(concat({"mkdir ", inputs.stage}));
  return ok_status();
}

// Nobody but this process sees it, so that it may begin before the request has been judged. Not where it
// must belong to the container's user namespace, which is yet to come.
Result<kernel::NetworkMaker> begin_network(const policy::Policy& policy, const oci::Spec& spec) {
  if (!policy.seal_namespaces || !owns_namespace(spec, oci::NamespaceType::kNetwork)) {
    return kernel::NetworkMaker();
  }
  return kernel::NetworkMaker::start();
}

// From here on one that the container joins, with nothing left to do in it.
Status join_network(NamespacePlan& plan, kernel::NetworkMaker& maker) {
  if (!maker.started()) return ok_status();
  Fd network = TRY(maker.take());
  if (!plan.new_network || plan.owner != NamespacePlan::Owner::kHost) return ok_status();
  plan.join.emplace_back(CLONE_NEWNET, std::move(network));
  plan.create &= ~uint64_t{CLONE_NEWNET};
  plan.new_network = false;
  return ok_status();
}

Status name_process(const InitInputs& inputs, Launch& made) {
  made.state.init_pid = made.child.pid;
  const Result<uint64_t> started = process_start_time(made.child.pid);
  if (!started.ok()) {
    // Gone already: what it said last is the reason.
    TRY(made.child.channel.expect(inputs.parent_has_hooks ? MessageKind::kHooks : MessageKind::kReady));
    return started.error();
  }
  made.state.init_start_time = *started;
  return ok_status();
}

// By a process beside the container, unless the caller stays and listens itself.
Status begin_watching(const Host& host, const CreateOptions& options, WatcherEnds ends, Launch& made) {
  if (options.watcher < 0) {
    made.state.monitor = TRY(start_monitor(host, made.state, std::move(ends), made.child.pidfd.get()));
    return ok_status();
  }
  TRY(announce_monitor(host, made.state, ::getppid()));
  return send_ends(options.watcher, ends);
}

Status await_ready(const ProcessPlan& process, Launch& made) {
  while (true) {
    Message message = TRY(made.child.channel.expect(MessageKind::kPlace, MessageKind::kReady));
    if (message.kind == MessageKind::kReady) return ok_status();
    const auto index = static_cast<size_t>(message.value);
    if (index >= process.landlock.size())
      return make_error(Code::kInternal, "a place that was not asked for");
    LandlockPlace place = process.landlock[index];
    place.path = std::move(message.text);
    place.mount = static_cast<uint64_t>(message.code);
    made.state.landlock.push_back(std::move(place));
  }
}

// The process is ready: tell the world, then let it go (channel.h draws the order).
Status commit(const Host& host, const Store& store, const CreateOptions& options, StartMode mode,
              Launch& made) {
  if (mode == StartMode::kAtOnce) TRY(append_audit(host, audit_record(host, "container.start", made.state)));
  made.state.phase = mode == StartMode::kLater ? ContainerStatus::kCreated : ContainerStatus::kRunning;
  TRY(send_pidfd(options.pidfd_socket, made.child));
  TRY(store.save(made.state));
  TRY(write_pid_file(options.pid_file, made.child.pid));
  TRY(made.child.channel.send(MessageKind::kCommit));
  if (mode == StartMode::kAtOnce) {
    TRY(await_execution(made.child.channel));
  } else {
    // A parent that ended now would still take its child along (PR_SET_PDEATHSIG).
    TRY(made.child.channel.expect(MessageKind::kCommitted));
  }
  made.keep();
  return ok_status();
}

}  // namespace

Result<std::unique_ptr<Launch>> launch(const Host& host, const Store& store, const CreateOptions& options,
                                       StartMode mode) {
  TRY(guard_descriptors(options.preserve_fds));
  TRY(check_id(options.id));
  BundleConfig config = TRY(read_bundle(options));
  if (!host.policy->user_namespace && reaches_host_root(config.spec)) TRY(run_from_sealed_copy());
  Reservation reservation = TRY(store.reserve(options.id));
  kernel::NetworkMaker network = TRY(begin_network(*host.policy, config.spec));
  PlanInputs inputs;
  if (options.mount_root) inputs.root_view = TRY(options.mount_root());
  std::optional<uint64_t> view;
  if (inputs.root_view) view = inputs.root_view->mount;
  const Judged judged = TRY(judge(host, options, std::move(config), view));
  const oci::Spec& spec = judged.hardened.spec();

  auto made = std::make_unique<Launch>(store, std::move(reservation),
                                       first_state(host, options, judged.config, judged.hardened));
  inputs.id = options.id;
  inputs.bundle = judged.config.bundle;
  inputs.stage = join_path(store.directory(options.id), "stage");
  inputs.no_pivot = options.no_pivot;
  inputs.no_new_keyring = options.no_new_keyring;
  inputs.root_ids = options.root_ids;
  TRY(claim(host, store, judged, inputs, *made));

  Plan plan = TRY(make_plan(judged.hardened, judged.seen, inputs));
  if (options.recorder >= 0) TRY(add_recording(plan.process, spec.linux_.seccomp, options.recorder));
  InitInputs init_inputs;
  if (!host.no_cgroups) TRY_AT(make_cgroup(plan, init_inputs, spec, *made), "cgroup");
  init_inputs.preserve_fds = options.preserve_fds;
  init_inputs.parent_has_hooks = !spec.hooks.prestart.empty() || !spec.hooks.create_runtime.empty();
  init_inputs.info = live_info(made->state, ContainerStatus::kCreating, 0);
  ConsoleEnds console;
  if (plan.process.terminal) console = TRY(console_ends(options.console_socket, options.console));
  init_inputs.console_socket = console.sender.get();
  Fd listener;
  if (mode == StartMode::kLater) listener = TRY(listen_for_start(store.directory(options.id)));
  init_inputs.start_listener = listener.get();

  std::optional<MonitorEnds> ends;
  if (made->state.controls.violations.any()) {
    ends = TRY_AT(monitor_ends(store.directory(options.id)), "violations");
    plan.process.monitor = std::move(ends->container);
  }

  TRY(join_network(plan.namespaces, network));
  made->child = TRY(spawn(
      plan.namespaces, [&] { return prepare_outside(plan); },
      [&](Channel& channel) { return init(plan, init_inputs, channel); }));
  TRY_AT(finish_cgroup(init_inputs, spec, *made), "cgroup");
  TRY(name_process(init_inputs, *made));
  if (ends) {
    TRY_AT(begin_watching(host, options, std::move(ends->watcher), *made), "violations");
    plan.process.monitor.reset();  // the container's process has its own
  }
  // While the process mounts: what it takes to serve `exec`, and `delete` should the state be lost.
  TRY(store.write_entry(options.id, "config.json", json::write(oci::write_spec(spec))));
  if (init_inputs.parent_has_hooks) {
    // A hook may ask the runtime for the state.
    TRY(store.save(made->state));
    TRY(run_parent_hooks(*made, spec, judged.seen));
  }
  TRY(await_ready(plan.process, *made));
  if (console.receiver.valid()) made->terminal = TRY(receive_console(console.receiver.get()));
  TRY(commit(host, store, options, mode, *made));
  return made;
}

}  // namespace gabion::container
