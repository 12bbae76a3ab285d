// create, start, exec and delete: the task service's changes of what there is.
#include <fcntl.h>
#include <signal.h>

#include <utility>

#include "base/path.h"
#include "base/text.h"
#include "container/store.h"
#include "shim/containerd/proto/message.h"
#include "shim/containerd/service.h"
#include "shim/containerd/service_work.h"

namespace gabion::shim {

namespace {

constexpr size_t kMaxExecs = 4096;
constexpr uint32_t kNotStarted = 255;  // what runc's shim says

Error still_running() {
  return make_error(Code::kWrongState, "cannot delete a running process: failed precondition");
}

template <typename Request>
StdioPaths paths_of(const Request& request) {
  return {.input = request.stdin_path,
          .output = request.stdout_path,
          .error = request.stderr_path,
          .terminal = request.terminal};
}

Inheritance inheritance_of(const Stdio& stdio) {
  return {.streams = stdio.streams(), .keep = {stdio.console()}};
}

proto::TaskCreate create_event(const proto::CreateTaskRequest& request) {
  return {.container_id = request.id,
          .bundle = request.bundle,
          .rootfs = request.rootfs,
          .io = {.stdin_path = request.stdin_path,
                 .stdout_path = request.stdout_path,
                 .stderr_path = request.stderr_path,
                 .terminal = request.terminal},
          .checkpoint = {},
          .pid = 0};
}

}  // namespace

Result<Stdio> Service::open_stdio(const StdioPaths& paths) {
  Stdio stdio = TRY(Stdio::open(paths));
  if (stdio.copier() != 0) copiers_.insert(stdio.copier());
  return stdio;
}

Status Service::create(const proto::CreateTaskRequest& request, const ttrpc::Peer& peer,
                       const Respond& respond) {
  TRY(container::check_id(request.id));
  if (shutting_down_) return make_error(Code::kWrongState, "the shim is shutting down");
  if (containers_.contains(request.id)) {
    return make_error(Code::kExists, concat({"container ", request.id, ": already exists"}));
  }
  if (!request.checkpoint.empty()) {
    return make_error(Code::kUnsupported, "restoring a checkpoint is not supported yet");
  }
  CreateWork work = TRY(create_work(node_, request));
  auto made = std::make_shared<Container>();
  made->id = request.id;
  made->bundle = request.bundle;
  made->node = work.node;
  Process& first = made->first;
  first.paths = paths_of(request);
  first.stdio = TRY(open_stdio(first.paths));
  first.phase = Phase::kMaking;
  work.caller = caller_at(peer);
  work.create.console = first.stdio->console();
  work.logger = first.stdio->logger();
  const Fd watcher = TRY(open_violations(*made));
  work.create.watcher = watcher.get();
  Inheritance inheritance = inheritance_of(*first.stdio);
  inheritance.keep.push_back(watcher.get());
  containers_.emplace(request.id, std::move(made));

  workers_.start(
      inheritance, [&work] { return run_create(work); },
      [this, id = request.id, event = create_event(request), respond](Result<std::string> result) {
        created(id, event, std::move(result), respond);
      });
  first.stdio->given_away();
  return ok_status();
}

void Service::created(const std::string& id, proto::TaskCreate event, Result<std::string> result,
                      const Respond& respond) {
  const Result<Container*> found = container(id);
  if (!found.ok()) return respond(Error(found.error()));
  Result<CreateReport> report =
      result.ok() ? proto::decode<CreateReport>(*result) : Result<CreateReport>(std::move(result).error());
  if (!report.ok()) {
    const bool unknown = report.error().code == Code::kInternal;
    const Node node = (*found)->node;
    forget(id);
    if (!unknown) return respond(std::move(report).error());
    // A worker that was killed may have left a container that nobody else will ask to be deleted.
    return workers_.start_own(
        [node, id] {
          auto remove = [&id](const container::Host& host) { return container::remove(host, id, true); };
          return on_node(node, Need::kAlways, nullptr, answered_empty(remove));
        },
        [respond, error = report.error()](const Result<std::string>&) { respond(Error(error)); });
  }
  Container& owner = **found;
  owner.own_pid_namespace = !report->shared_pid_namespace;
  owner.first.phase = Phase::kCreated;
  adopt(owner.first, static_cast<pid_t>(report->pid));
  event.pid = report->pid;
  events_.publish(event);
  watch_memory(owner, report->cgroup);
  begin_violations(owner, *report);
  respond(proto::encode(proto::PidResponse{.pid = report->pid}));
  // Now, when nobody waits for it. Should it fail, the container's end is heard of when its mounts are gone.
  if (!owner.first.exit) {
    Result<Fd> mounts = open_path(concat({"/proc/", std::to_string(report->pid), "/ns/mnt"}), O_RDONLY);
    if (mounts.ok()) owner.mounts = std::move(mounts).value();
  }
  settle(owner, owner.first);
}

Status Service::start(const proto::ProcessRequest& request, const ttrpc::Peer& peer, const Respond& respond) {
  const auto [owner, process] = TRY(target(request.id, request.exec_id));
  return request.exec_id.empty() ? start_first(owner, peer, respond)
                                 : start_exec(owner, process, peer, respond);
}

Status Service::start_first(Container& owner, const ttrpc::Peer& peer, const Respond& respond) {
  if (owner.first.phase == Phase::kStopped) {
    return make_error(Code::kWrongState, "cannot start a container that has stopped");
  }
  if (owner.first.phase != Phase::kCreated) {
    return make_error(Code::kWrongState, "cannot start an already running container");
  }
  owner.first.phase = Phase::kStarting;
  auto change = [id = owner.id](const container::Host& host) { return container::start(host, id); };
  ask(owner, Need::kChange, &caller_at(peer), answered_empty(change),
      [this, id = owner.id, respond](Result<std::string> result) {
        const Result<Container*> found = container(id);
        if (!found.ok()) return respond(Error(found.error()));
        Container& started = **found;
        const auto pid = static_cast<uint32_t>(started.first.pid);
        // Refused, it may be started once more; should it have ended, that is told in either. What a worker
        // that was killed had done, nobody knows: running is what cannot be deleted by mistake.
        const bool refused = !result.ok() && result.error().code != Code::kInternal;
        started.first.phase = refused ? Phase::kCreated : Phase::kRunning;
        if (!result.ok()) {
          respond(std::move(result).error());
        } else {
          events_.publish(proto::TaskStart{.container_id = id, .pid = pid});
          respond(proto::encode(proto::PidResponse{.pid = pid}));
        }
        settle(started, started.first);
      });
  return ok_status();
}

Status Service::exec(const proto::ExecProcessRequest& request, const ttrpc::Peer& /*peer*/,
                     const Respond& respond) {
  Container& owner = *TRY(container(request.id));
  TRY(container::check_id(request.exec_id));
  if (owner.execs.contains(request.exec_id)) {
    return make_error(Code::kExists, concat({"id ", request.exec_id, ": already exists"}));
  }
  if (owner.execs.size() >= kMaxExecs) {
    return make_error(Code::kWrongState, "the container has too many processes that were never deleted");
  }
  if (owner.first.phase != Phase::kRunning) {
    return make_error(Code::kWrongState, "cannot exec in a stopped state: the container does not run");
  }
  auto added = std::make_unique<Process>();
  added->exec_id = request.exec_id;
  added->paths = paths_of(request);
  added->spec = request.spec.value;
  // Now, and not when it is started: the copier is ready by then.
  added->stdio = TRY(open_stdio(added->paths));
  owner.execs.emplace(request.exec_id, std::move(added));
  events_.publish(proto::TaskExecAdded{.container_id = owner.id, .exec_id = request.exec_id});
  respond(std::string());
  return ok_status();
}

Status Service::start_exec(Container& owner, Process& process, const ttrpc::Peer& peer,
                           const Respond& respond) {
  if (process.phase != Phase::kAdded) {
    return make_error(Code::kWrongState, concat({"process ", process.exec_id, " was started already"}));
  }
  process.phase = Phase::kStarting;
  const ExecWork work{.node = owner.node,
                      .caller = caller_at(peer),
                      .id = owner.id,
                      .spec = process.spec,
                      .logger = process.stdio->logger(),
                      .terminal = process.paths.terminal,
                      .console = process.stdio->console()};
  workers_.start(
      inheritance_of(*process.stdio), [&work] { return run_exec(work); },
      [this, id = owner.id, exec_id = process.exec_id, respond](Result<std::string> result) {
        executed(id, exec_id, std::move(result), respond);
      });
  process.stdio->given_away();
  return ok_status();
}

void Service::executed(const std::string& id, const std::string& exec_id, Result<std::string> result,
                       const Respond& respond) {
  const Result<Target> found = target(id, exec_id);
  if (!found.ok()) return respond(Error(found.error()));
  Process& process = found->process;
  std::string().swap(process.spec);
  Result<proto::PidResponse> report = result.ok() ? proto::decode<proto::PidResponse>(*result)
                                                  : Result<proto::PidResponse>(Error(result.error()));
  if (!report.ok()) {
    process.phase = Phase::kStopped;
    process.exit = Exit{.status = kNotStarted, .at = now()};
    process.stdio.reset();
    respond(std::move(report).error());
    return answer_waiting(process, *process.exit);
  }
  process.phase = Phase::kRunning;
  adopt(process, static_cast<pid_t>(report->pid));
  events_.publish(proto::TaskExecStarted{.container_id = id, .exec_id = exec_id, .pid = report->pid});
  respond(std::move(result));
  settle(found->owner, process);
}

void Service::answer_waiting(Process& process, const Exit& exit) {
  for (const auto& waiting : std::exchange(process.waiting, {})) waiting(exit);
}

Status Service::remove(const proto::ProcessRequest& request, const ttrpc::Peer& peer,
                       const Respond& respond) {
  const auto [owner, process] = TRY(target(request.id, request.exec_id));
  if (request.exec_id.empty()) return remove_first(owner, peer, respond);
  if (process.phase == Phase::kStarting || process.phase == Phase::kRunning) return still_running();
  proto::DeleteResponse response;
  response.pid = static_cast<uint32_t>(process.pid);
  if (process.exit) {
    response.exit_status = process.exit->status;
    response.exited_at = process.exit->at;
  }
  answer_waiting(process, process.exit.value_or(Exit{.status = kNotStarted, .at = now()}));
  owner.execs.erase(request.exec_id);
  respond(proto::encode(response));
  return ok_status();
}

Status Service::remove_first(Container& owner, const ttrpc::Peer& peer, const Respond& respond) {
  if (owner.first.phase != Phase::kStopped && owner.first.phase != Phase::kCreated) return still_running();
  if (owner.first.phase == Phase::kCreated) owner.first.phase = Phase::kStarting;  // its end is told below
  auto change = [id = owner.id](const container::Host& host) { return container::remove(host, id, true); };
  // The container outlives what is to be told of it, and these are called when the last is written.
  auto begin = [this, &owner, caller = caller_at(peer), change, respond] {
    ask(
        owner, Need::kAlways, &caller, answered_empty(change),
        [this, id = owner.id, respond](const Result<std::string>& result) { removed(id, result, respond); },
        std::move(owner.mounts));  // if its end was not told
  };
  if (owner.own_work.empty()) {
    begin();
  } else {
    owner.deletions.emplace_back(std::move(begin));
  }
  return ok_status();
}

void Service::removed(const std::string& id, const Result<std::string>& result, const Respond& respond) {
  const Result<Container*> found = container(id);
  if (!found.ok()) return respond(Error(found.error()));
  Container& owner = **found;
  Process& first = owner.first;
  if (!result.ok()) {
    if (first.phase == Phase::kStarting) first.phase = Phase::kCreated;
    return respond(Error(result.error()));
  }
  if (!first.exit) first.exit = Exit{.status = 128 + SIGKILL, .at = now()};
  // Created and never started: it was killed by the deletion.
  if (first.phase == Phase::kStarting) tell_exit(owner, first);
  const Exit exit = *first.exit;
  const auto pid = static_cast<uint32_t>(first.pid);
  events_.publish(proto::TaskDelete{
      .container_id = id, .pid = pid, .exit_status = exit.status, .exited_at = exit.at, .id = {}});
  forget(id);
  respond(proto::encode(proto::DeleteResponse{.pid = pid, .exit_status = exit.status, .exited_at = exit.at}));
}

void Service::forget(const std::string& id) {
  const auto found = containers_.find(id);
  if (found == containers_.end()) return;
  Container& owner = *found->second;
  if (owner.oom) loop_.forget(owner.oom->fd());
  if (owner.oom_timer != 0) loop_.cancel(owner.oom_timer);
  const Exit never{.status = kNotStarted, .at = now()};
  answer_waiting(owner.first, owner.first.exit.value_or(never));
  for (const auto& [exec_id, process] : owner.execs) answer_waiting(*process, process->exit.value_or(never));
  containers_.erase(found);
}

}  // namespace gabion::shim
