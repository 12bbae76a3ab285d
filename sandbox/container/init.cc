#include "container/init.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <vector>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "container/become.h"
#include "container/confine.h"
#include "container/hooks.h"
#include "container/rootfs.h"
#include "container/spawn.h"
#include "container/start_socket.h"
#include "kernel/net.h"
#include "kernel/socket.h"
#include "kernel/terminal.h"

namespace gabion::container {

namespace {

Status join_cgroups(const Plan& plan) {
  for (const Fd& procs : plan.cgroup_procs) {
    TRY_AT(write_all(procs.get(), "0"), "join the container's cgroup");
  }
  return ok_status();
}

Status join_namespaces(const NamespacePlan& namespaces) {
  for (const auto& [type, fd] : namespaces.join) {
    if (::setns(fd.get(), type) != 0) return sys_error("join a namespace (setns)");
  }
  return ok_status();
}

// The pid the host knows this process by: the host's procfs is still mounted here.
Result<pid_t> host_pid() {
  char text[16];
  const ssize_t size = ::readlink("/proc/self", text, sizeof(text));
  if (size <= 0) return sys_error("readlink /proc/self");
  const auto pid = parse_unsigned(std::string_view(text, static_cast<size_t>(size)), INT_MAX);
  if (!pid) return make_error(Code::kInternal, "/proc/self is not a number");
  return static_cast<pid_t>(*pid);
}

std::string hook_state(const InitInputs& inputs, pid_t pid, ContainerStatus status) {
  Info info = inputs.info;
  info.pid = pid;
  info.status = status;
  return json::write(oci_state(info));
}

Result<Fd> set_up_terminal(const Plan& plan, const BuiltRoot& built, const InitInputs& inputs) {
  if (!built.devpts.valid()) {
    return make_error(Code::kInvalid, "process.terminal is set, but nothing is mounted at /dev/pts");
  }
  const ProcessPlan& process = plan.process;
  kernel::Terminal terminal = TRY(kernel::open_terminal(built.devpts.get(), process.rows, process.columns));
  // devpts made it for the host's root, which the container's user is not.
  const uid_t uid = plan.namespaces.uid_here(process.uid);
  if (::fchown(terminal.slave.get(), uid, static_cast<gid_t>(-1)) != 0) return sys_error("console: chown");
  TRY(bind_console(built, terminal.slave.get()));
  TRY_AT(kernel::send_descriptor(inputs.console_socket, terminal.master.get(), "/dev/ptmx"),
         "console socket");
  return std::move(terminal.slave);
}

Status write_sysctls(const Plan& plan, int proc) {
  if (plan.sysctls.empty()) return ok_status();
  const Fd sys = TRY_AT(open_at(proc, "sys", O_PATH | O_DIRECTORY), "linux.sysctl");
  for (const auto& [key, value] : plan.sysctls) {
    // Resolved beneath the private procfs, links refused: a value cannot land elsewhere.
    const Result<Fd> file = open_in_root(sys.get(), key, O_WRONLY, Links::kNone);
    if (!file.ok()) {
      // vm.memfd_noexec is Linux 6.3's and only gabion asks for it: absent on the floor kernel.
      if (key == "vm/memfd_noexec" && file.error().sys_errno == ENOENT) continue;
      return Error(file.error()).wrap("linux.sysctl");
    }
    TRY_AT(write_all(file->get(), value), concat({"linux.sysctl: write \"", value, "\" to ", key}));
  }
  return ok_status();
}

Status name_host(const Plan& plan) {
  if (!plan.hostname.empty() && ::sethostname(plan.hostname.data(), plan.hostname.size()) != 0) {
    return sys_error("sethostname");
  }
  if (!plan.domainname.empty() && ::setdomainname(plan.domainname.data(), plan.domainname.size()) != 0) {
    return sys_error("setdomainname");
  }
  return ok_status();
}

// What must come before the mounts that show the cgroup.
Status settle_in_cgroups(Plan& plan, const InitInputs& inputs, const Channel& channel) {
  if (inputs.late_cgroup) {
    TRY(channel.expect(MessageKind::kGrouped));
    // The host's tree is still at its place: the root has not changed yet.
    TRY_AT(add_cgroup(plan, kernel::Cgroup::open(*inputs.late_cgroup)), "cgroup");
    TRY(join_cgroups(plan));
  }
  // After joining: the namespace's root is where its first process is (cgroup_namespaces(7)).
  if (plan.namespaces.own_cgroup && ::unshare(CLONE_NEWCGROUP) != 0) return sys_error("new cgroup namespace");
  return ok_status();
}

// Everything up to the point at which only `start` is missing.
Result<std::string> prepare(Plan& plan, const InitInputs& inputs, const Channel& channel) {
  const pid_t pid = TRY(host_pid());
  // 1. Where the process is: namespaces; cgroups join later where they are still being made.
  const bool inside = plan.namespaces.owner == NamespacePlan::Owner::kContainer;
  if (!inside) {
    TRY(join_cgroups(plan));
    if (plan.namespaces.own_host_mounts()) TRY(part_from_host(plan));
    TRY(prepare_trees(plan));
    TRY(join_namespaces(plan.namespaces));
  }
  if (!plan.namespaces.own_host_mounts()) TRY(part_from_host(plan));
  if (plan.namespaces.new_network) TRY(kernel::bring_loopback_up());
  if ((plan.namespaces.create & CLONE_NEWUTS) != 0) TRY(name_host(plan));
  if (::setsid() < 0 && errno != EPERM) return sys_error("setsid");

  // 2. What it sees: the tree, made as the host's root.
  BuiltRoot built = TRY(build_root(plan, [&] { return settle_in_cgroups(plan, inputs, channel); }));
  guard_child();  // files made as the container's root have undone it
  if (inputs.parent_has_hooks) {
    TRY(channel.send(MessageKind::kHooks));
    TRY(channel.expect(MessageKind::kContinue));
  }
  if (!plan.create_container_hooks.empty()) {
    TRY(run_hooks(plan.create_container_hooks, "createContainer",
                  hook_state(inputs, pid, ContainerStatus::kCreating), plan.bundle));
  }
  Fd console;
  if (plan.process.terminal && inputs.console_socket >= 0)
    console = TRY(set_up_terminal(plan, built, inputs));
  TRY_AT(close_root(plan, built), "rootfs");
  TRY_AT(cover_paths(plan, built), "rootfs");
  TRY(write_sysctls(plan, built.proc.get()));
  TRY_AT(enter_root(plan, built), "rootfs");

  // 3. What it is: attributes with the host's rights, then the user namespace and the last rights.
  if (plan.process.args.empty()) return std::string();
  if (!inside) TRY(set_privileged_attributes(plan.process, built.proc.get()));
  if (console.valid()) {
    TRY(kernel::adopt_terminal(console.get()));
  } else if (!inside) {
    TRY(give_stdio(plan.process, plan.namespaces));
  }
  plan.process.landlock_ruleset = TRY(open_landlock(plan.process, built.proc.get()));
  TRY(take_identity(plan.process, plan.namespaces, built.proc.get()));
  guard_child();  // the change of user has undone it
  TRY(enter_working_directory(plan.process));
  set_home(plan.process);
  return find_executable(plan.process);
}

// What exec of this container will start from. Last before kReady: after it comes no error that the runtime
// would have to look for.
Status tell_places(const ProcessPlan& process, const Channel& channel) {
  for (size_t i = 0; i < process.landlock.size(); ++i) {
    const LandlockPlace& place = process.landlock[i];
    if (place.mount == 0) continue;
    TRY(channel.send(
        Message{MessageKind::kPlace, static_cast<int>(i), static_cast<int>(place.mount), place.path}));
  }
  return ok_status();
}

}  // namespace

Status prepare_outside(Plan& plan) {
  TRY(join_cgroups(plan));
  if (plan.namespaces.into_cgroup.valid()) {
    // clone3(2) into it would be judged by the container's rights.
    TRY_AT(write_existing_at(plan.namespaces.into_cgroup.get(), "cgroup.procs", "0"),
           "join the container's cgroup");
  }
  TRY(prepare_trees(plan));
  if (!plan.process.args.empty()) {
    const Fd proc = TRY(open_path("/proc", O_PATH | O_DIRECTORY));
    TRY(set_privileged_attributes(plan.process, proc.get()));
    if (!plan.process.terminal) TRY(give_stdio(plan.process, plan.namespaces));
  }
  // Before the user namespace: the host's rights join any namespace, the container's only its own.
  return join_namespaces(plan.namespaces);
}

int init(Plan& plan, const InitInputs& inputs, Channel& channel) {
  Result<pid_t> pid = host_pid();
  Result<std::string> program = prepare(plan, inputs, channel);
  if (!program.ok()) {
    (void)channel.send_error(program.error());
    return 1;
  }
  if (!tell_places(plan.process, channel).ok() || !channel.send(MessageKind::kReady).ok()) return 1;
  const Result<Message> commit = channel.expect(MessageKind::kCommit);
  if (!commit.ok()) return 1;  // the parent died, or gave up
  outlive_parent();
  if (!close_all_but(inputs.preserve_fds, {inputs.start_listener, channel.fd(), plan.process.listener.get(),
                                           plan.process.monitor.get(), plan.process.landlock_ruleset.get()})
           .ok())
    return 1;

  Channel starter;
  if (inputs.start_listener < 0) {
    starter = std::move(channel);
  } else {
    if (!channel.send(MessageKind::kCommitted).ok()) return 1;
    channel.close();
    Result<Channel> waiting = wait_for_start(inputs.start_listener);
    if (!waiting.ok()) return 1;
    starter = std::move(waiting).value();
  }
  auto fail = [&](const Error& error) {
    (void)starter.send_error(error);
    return 1;
  };
  if (plan.process.listener.valid()) {
    Info state = inputs.info;
    state.pid = *pid;
    state.status = ContainerStatus::kCreating;
    plan.process.listener_state = listener_state(plan.process.listener_metadata, *pid, oci_state(state));
  }
  if (program->empty()) return fail(make_error(Code::kInvalid, "process property must be non-empty"));
  if (!plan.start_container_hooks.empty()) {
    const Status hooks = run_hooks(plan.start_container_hooks, "startContainer",
                                   hook_state(inputs, *pid, ContainerStatus::kCreated), "/");
    if (!hooks.ok()) return fail(hooks.error());
  }
  if (!starter.send(MessageKind::kExecuting).ok()) return 1;
  return fail(execute(plan.process, *program));
}

}  // namespace gabion::container
