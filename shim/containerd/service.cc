#include "shim/containerd/service.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "container/store.h"
#include "kernel/cgroup_oom.h"
#include "shim/containerd/proto/message.h"
#include "shim/containerd/service_work.h"

namespace gabion::shim {

namespace {

// Ends of processes nobody has claimed yet: of workers' helpers as well, which nobody ever will.
constexpr size_t kMaxEarly = 256;

Exit exit_of(int wait_status) {
  const int code = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
  return {.status = static_cast<uint32_t>(code), .at = now()};
}

template <typename Message>
std::string encoded(const Message& message) {
  return proto::encode(message);
}

std::string empty() { return {}; }

Error already_finished() { return make_error(Code::kNotFound, "process already finished: not found"); }

}  // namespace

// --- requests ----------------------------------------------------------------------------------

Service::Method Service::find(std::string_view name) {
  struct Entry {
    std::string_view name;
    Method method;
  };
  static constexpr std::array kMethods{
      Entry{"State", &Service::state},
      Entry{"Create", &Service::create},
      Entry{"Start", &Service::start},
      Entry{"Delete", &Service::remove},
      Entry{"Pids", &Service::pids},
      Entry{"Pause", &Service::pause},
      Entry{"Resume", &Service::resume},
      Entry{"Checkpoint", &Service::checkpoint},
      Entry{"Kill", &Service::kill},
      Entry{"Exec", &Service::exec},
      Entry{"ResizePty", &Service::resize_pty},
      Entry{"CloseIO", &Service::close_io},
      Entry{"Update", &Service::update},
      Entry{"Wait", &Service::wait},
      Entry{"Stats", &Service::stats},
      Entry{"Connect", &Service::connect},
      Entry{"Shutdown", &Service::shutdown},
  };
  const auto* found = std::find_if(kMethods.begin(), kMethods.end(),
                                   [name](const Entry& entry) { return entry.name == name; });
  return found == kMethods.end() ? nullptr : found->method;
}

void Service::handle(const ttrpc::Request& request, const ttrpc::Peer& peer, Respond respond) {
  if (request.service != "containerd.task.v2.Task" && request.service != "containerd.task.v3.Task") {
    return respond(make_error(Code::kUnsupported, concat({"service ", request.service})));
  }
  const Method method = find(request.method);
  if (method == nullptr) return respond(make_error(Code::kUnsupported, concat({"method ", request.method})));
  (this->*method)(request.payload, peer.pid, std::move(respond));
}

Result<Container*> Service::container(const std::string& id) {
  const auto found = containers_.find(id);
  if (found == containers_.end()) {
    return make_error(Code::kNotFound, concat({"container ", id, ": not found"}));
  }
  return found->second.get();
}

// Decodes the request and looks its container up, or answers with why not.
#define TAKE(Message, request)                                        \
  const Result<Message> request##_ = proto::decode<Message>(payload); \
  if (!request##_.ok()) return respond(Error(request##_.error()));    \
  const Message& request = *request##_;                               \
  const Result<Container*> found_ = container(request.id);            \
  if (!found_.ok()) return respond(Error(found_.error()));            \
  Container& owner = **found_

#define TAKE_PROCESS(Message, request)                              \
  TAKE(Message, request);                                           \
  const Result<Process*> process_ = owner.process(request.exec_id); \
  if (!process_.ok()) return respond(Error(process_.error()));      \
  Process& process = **process_

void Service::ask(const Container& owner, Need need, pid_t caller,
                  const std::function<Result<std::string>(const container::Host&)>& operation,
                  Workers::Done done) {
  workers_.start(
      {}, [&] { return on_node(owner.node, need, caller, operation); }, std::move(done));
}

// --- create, start, delete ---------------------------------------------------------------------

void Service::create(const std::string& payload, pid_t caller, Respond respond) {
  Result<proto::CreateTaskRequest> decoded = proto::decode<proto::CreateTaskRequest>(payload);
  if (!decoded.ok()) return respond(std::move(decoded).error());
  const proto::CreateTaskRequest& request = *decoded;
  const Status valid = container::check_id(request.id);
  if (!valid.ok()) return respond(Error(valid.error()));
  if (shutting_down_) return respond(make_error(Code::kWrongState, "the shim is shutting down"));
  if (containers_.contains(request.id)) {
    return respond(make_error(Code::kExists, concat({"container ", request.id, ": already exists"})));
  }
  if (!request.checkpoint.empty()) {
    return respond(make_error(Code::kUnsupported, "restoring a checkpoint is not supported yet"));
  }
  Result<CreateWork> work = create_work(node_, request);
  if (!work.ok()) return respond(std::move(work).error());

  auto made = std::make_unique<Container>();
  made->id = request.id;
  made->bundle = request.bundle;
  made->node = work->node;
  Process& first = made->first;
  first.paths = {.input = request.stdin_path,
                 .output = request.stdout_path,
                 .error = request.stderr_path,
                 .terminal = request.terminal};
  Result<std::unique_ptr<Stdio>> stdio = Stdio::open(loop_, first.paths);
  if (!stdio.ok()) return respond(std::move(stdio).error());
  first.stdio = std::move(stdio).value();
  first.phase = Phase::kMaking;
  containers_.emplace(request.id, std::move(made));

  work->caller = caller;
  work->create.console = first.stdio->console();
  Inheritance inheritance{.stdio = first.stdio->ends_of_process(), .keep = {first.stdio->console()}};
  proto::TaskCreate event{.container_id = request.id,
                          .bundle = request.bundle,
                          .rootfs = request.rootfs,
                          .io = {.stdin_path = request.stdin_path,
                                 .stdout_path = request.stdout_path,
                                 .stderr_path = request.stderr_path,
                                 .terminal = request.terminal},
                          .checkpoint = {},
                          .pid = 0};
  workers_.start(
      inheritance, [&work] { return run_create(*work); },
      [this, id = request.id, event = std::move(event),
       respond = std::move(respond)](Result<std::string> result) mutable {
        const Result<Container*> found = container(id);
        if (!found.ok()) return respond(Error(found.error()));
        Result<CreateReport> report = result.ok() ? proto::decode<CreateReport>(*result)
                                                  : Result<CreateReport>(std::move(result).error());
        if (!report.ok()) {
          forget(id);
          return respond(std::move(report).error());
        }
        Container& owner = **found;
        owner.own_pid_namespace = report->own_pid_namespace;
        owner.first.phase = Phase::kCreated;
        adopt(owner.first, static_cast<pid_t>(report->pid));
        event.pid = report->pid;
        events_.publish(event);
        watch_memory(owner);
        respond(encoded(proto::PidResponse{.pid = report->pid}));
        settle(owner, owner.first);
      });
  // The worker has copies.
  const Result<Container*> still = container(request.id);
  if (still.ok() && (*still)->first.stdio != nullptr) (*still)->first.stdio->given_away();
}

void Service::start(const std::string& payload, pid_t caller, Respond respond) {
  TAKE_PROCESS(proto::ProcessRequest, request);
  if (request.exec_id.empty()) return start_first(owner, caller, std::move(respond));
  start_exec(owner, process, caller, std::move(respond));
}

void Service::start_first(Container& owner, pid_t caller, Respond respond) {
  Process& first = owner.first;
  if (first.phase != Phase::kCreated) {
    return respond(make_error(Code::kWrongState, first.phase == Phase::kStopped
                                                     ? "cannot start a container that has stopped"
                                                     : "cannot start an already running container"));
  }
  first.phase = Phase::kStarting;
  ask(
      owner, Need::kChange, caller,
      [id = owner.id](const container::Host& host) -> Result<std::string> {
        TRY(container::start(host, id));
        return empty();
      },
      [this, id = owner.id, respond = std::move(respond)](Result<std::string> result) {
        const Result<Container*> found = container(id);
        if (!found.ok()) return respond(Error(found.error()));
        Container& started = **found;
        started.first.phase = Phase::kRunning;  // or dead: its end says so
        if (!result.ok()) {
          respond(std::move(result).error());
        } else {
          events_.publish(
              proto::TaskStart{.container_id = id, .pid = static_cast<uint32_t>(started.first.pid)});
          respond(encoded(proto::PidResponse{.pid = static_cast<uint32_t>(started.first.pid)}));
        }
        settle(started, started.first);
      });
}

void Service::exec(const std::string& payload, pid_t /*caller*/, Respond respond) {
  TAKE(proto::ExecProcessRequest, request);
  const Status valid = container::check_id(request.exec_id);
  if (!valid.ok()) return respond(Error(valid.error()));
  if (owner.execs.contains(request.exec_id)) {
    return respond(make_error(Code::kExists, concat({"id ", request.exec_id, ": already exists"})));
  }
  if (owner.first.phase != Phase::kRunning) {
    return respond(
        make_error(Code::kWrongState, "cannot exec in a stopped state: the container does not run"));
  }
  auto added = std::make_unique<Process>();
  added->exec_id = request.exec_id;
  added->paths = {.input = request.stdin_path,
                  .output = request.stdout_path,
                  .error = request.stderr_path,
                  .terminal = request.terminal};
  added->spec = request.spec.value;
  owner.execs.emplace(request.exec_id, std::move(added));
  events_.publish(proto::TaskExecAdded{.container_id = owner.id, .exec_id = request.exec_id});
  respond(empty());
}

void Service::start_exec(Container& owner, Process& process, pid_t caller, Respond respond) {
  if (process.phase != Phase::kAdded) {
    return respond(
        make_error(Code::kWrongState, concat({"process ", process.exec_id, " was started already"})));
  }
  Result<std::unique_ptr<Stdio>> stdio = Stdio::open(loop_, process.paths);
  if (!stdio.ok()) return respond(std::move(stdio).error());
  process.stdio = std::move(stdio).value();
  process.phase = Phase::kStarting;
  const ExecWork work{.node = owner.node,
                      .caller = caller,
                      .id = owner.id,
                      .spec = process.spec,
                      .terminal = process.paths.terminal,
                      .console = process.stdio->console()};
  const Inheritance inheritance{.stdio = process.stdio->ends_of_process(),
                                .keep = {process.stdio->console()}};
  workers_.start(
      inheritance, [&work] { return run_exec(work); },
      [this, id = owner.id, exec_id = process.exec_id,
       respond = std::move(respond)](Result<std::string> result) {
        const Result<Container*> found = container(id);
        if (!found.ok()) return respond(Error(found.error()));
        const Result<Process*> started = (*found)->process(exec_id);
        if (!started.ok()) return respond(Error(started.error()));
        Process& made = **started;
        std::string().swap(made.spec);
        Result<proto::PidResponse> report = result.ok()
                                                ? proto::decode<proto::PidResponse>(*result)
                                                : Result<proto::PidResponse>(std::move(result).error());
        if (!report.ok()) {
          made.phase = Phase::kStopped;
          made.exit = Exit{.status = 255, .at = now()};
          made.stdio.reset();
          respond(std::move(report).error());
          for (const auto& waiting : std::exchange(made.waiting, {})) waiting(*made.exit);
          return;
        }
        made.phase = Phase::kRunning;
        adopt(made, static_cast<pid_t>(report->pid));
        events_.publish(proto::TaskExecStarted{.container_id = id, .exec_id = exec_id, .pid = report->pid});
        respond(*result);
        settle(**found, made);
      });
  process.stdio->given_away();
}

void Service::remove(const std::string& payload, pid_t caller, Respond respond) {
  TAKE_PROCESS(proto::ProcessRequest, request);
  if (request.exec_id.empty()) return remove_first(owner, caller, std::move(respond));
  if (process.phase == Phase::kStarting || process.phase == Phase::kRunning) {
    return respond(make_error(Code::kWrongState, "cannot delete a running process: failed precondition"));
  }
  proto::DeleteResponse response;
  response.pid = static_cast<uint32_t>(process.pid);
  if (process.exit) {
    response.exit_status = process.exit->status;
    response.exited_at = process.exit->at;
  }
  owner.execs.erase(request.exec_id);
  respond(encoded(response));
}

void Service::remove_first(Container& owner, pid_t caller, Respond respond) {
  if (owner.first.phase != Phase::kStopped && owner.first.phase != Phase::kCreated) {
    return respond(make_error(Code::kWrongState, "cannot delete a running process: failed precondition"));
  }
  if (owner.first.phase == Phase::kCreated)
    owner.first.phase = Phase::kStarting;  // its end is this one's to tell
  ask(
      owner, Need::kStop, caller,
      [id = owner.id](const container::Host& host) -> Result<std::string> {
        TRY(container::remove(host, id, true));
        return empty();
      },
      [this, id = owner.id, respond = std::move(respond)](Result<std::string> result) {
        const Result<Container*> found = container(id);
        if (!found.ok()) return respond(Error(found.error()));
        Container& gone = **found;
        if (!result.ok()) {
          if (gone.first.phase == Phase::kStarting) gone.first.phase = Phase::kCreated;
          return respond(std::move(result).error());
        }
        // Created and never started: it was killed, and its status may not have been waited for yet.
        if (gone.first.phase == Phase::kStarting) {
          gone.first.exit = gone.first.exit.value_or(Exit{.status = 128 + SIGKILL, .at = now()});
          gone.first.phase = Phase::kRunning;
          settle(gone, gone.first);
        }
        const Exit exit = gone.first.exit.value_or(Exit{.status = 128 + SIGKILL, .at = now()});
        const auto pid = static_cast<uint32_t>(gone.first.pid);
        events_.publish(proto::TaskDelete{
            .container_id = id, .pid = pid, .exit_status = exit.status, .exited_at = exit.at, .id = {}});
        forget(id);
        respond(encoded(proto::DeleteResponse{.pid = pid, .exit_status = exit.status, .exited_at = exit.at}));
      });
}

void Service::forget(const std::string& id) {
  const auto found = containers_.find(id);
  if (found == containers_.end()) return;
  if (found->second->oom) loop_.forget(found->second->oom->fd());
  containers_.erase(found);
}

// --- the ends of processes ---------------------------------------------------------------------

void Service::adopt(Process& process, pid_t pid) {
  process.pid = pid;
  const auto early = early_.find(pid);
  if (early == early_.end()) return;
  process.exit = early->second;
  early_.erase(early);
}

void Service::ended(pid_t pid, int wait_status) {
  if (workers_.ended(pid)) return;
  const Exit exit = exit_of(wait_status);
  for (const auto& [id, owner] : containers_) {
    Process* found = owner->first.pid == pid ? &owner->first : nullptr;
    for (const auto& [exec_id, process] : owner->execs) {
      if (process->pid == pid && !process->exit) found = process.get();
    }
    if (found == nullptr || found->exit) continue;
    found->exit = exit;
    return settle(*owner, *found);
  }
  if (early_.size() >= kMaxEarly) early_.erase(early_.begin());
  early_.emplace(pid, exit);
}

// Tells the end of a process that has begun and ended, once. The container's first comes last: in a pid
// namespace of its own the kernel sees to that, in another one the others are ended here.
void Service::settle(Container& owner, Process& process) {
  const bool begun = process.phase == Phase::kRunning || process.phase == Phase::kCreated;
  if (!process.exit || !begun) return;
  if (&process == &owner.first && owner.has_living_exec()) {
    if (!owner.own_pid_namespace) {
      ask(
          owner, Need::kStop, 0,
          [id = owner.id](const container::Host& host) -> Result<std::string> {
            TRY(container::kill(host, id, SIGKILL, true));
            return empty();
          },
          [](const Result<std::string>&) {});
    }
    return;  // their ends lead here again
  }
  tell_exit(owner, process);
  if (&process != &owner.first) settle(owner, owner.first);
}

void Service::tell_exit(Container& owner, Process& process) {
  process.phase = Phase::kStopped;
  if (process.stdio != nullptr) process.stdio->drain();
  events_.publish(proto::TaskExit{.container_id = owner.id,
                                  .id = process.exec_id.empty() ? owner.id : process.exec_id,
                                  .pid = static_cast<uint32_t>(process.pid),
                                  .exit_status = process.exit->status,
                                  .exited_at = process.exit->at});
  for (const auto& waiting : std::exchange(process.waiting, {})) waiting(*process.exit);
}

void Service::watch_memory(Container& owner) {
  container::Host host;
  host.root = owner.node.root;
  const Result<kernel::Cgroup> cgroup = container::open_cgroup(host, owner.id);
  if (!cgroup.ok()) return;
  Result<kernel::OomNotifier> notifier = kernel::OomNotifier::open(cgroup->location());
  if (!notifier.ok()) return;  // no memory controller
  owner.oom = std::move(notifier).value();
  const Status watched = loop_.watch(owner.oom->fd(), EPOLLIN, [this, id = owner.id](uint32_t) {
    const Result<Container*> found = container(id);
    if (!found.ok() || !(*found)->oom) return;
    const Result<kernel::OomNotifier::Event> event = (*found)->oom->read_event();
    if (event.ok() && *event == kernel::OomNotifier::Event::kOom) {
      events_.publish(proto::TaskOom{.container_id = id});
    } else if (!event.ok() || *event == kernel::OomNotifier::Event::kGone) {
      loop_.forget((*found)->oom->fd());
      (*found)->oom.reset();
    }
  });
  if (!watched.ok()) owner.oom.reset();
}

// --- the rest ----------------------------------------------------------------------------------

void Service::state(const std::string& payload, pid_t /*caller*/, Respond respond) {
  TAKE_PROCESS(proto::ProcessRequest, request);
  proto::StateResponse response;
  response.id = owner.id;
  response.exec_id = request.exec_id;
  response.bundle = owner.bundle;
  response.pid = static_cast<uint32_t>(process.pid);
  response.stdin_path = process.paths.input;
  response.stdout_path = process.paths.output;
  response.stderr_path = process.paths.error;
  response.terminal = process.paths.terminal;
  switch (process.phase) {
    case Phase::kAdded:
    case Phase::kMaking:
    case Phase::kCreated:
    case Phase::kStarting:
      response.status = proto::TaskStatus::kCreated;
      break;
    case Phase::kRunning:
      response.status = owner.paused ? proto::TaskStatus::kPaused : proto::TaskStatus::kRunning;
      break;
    case Phase::kStopped:
      response.status = proto::TaskStatus::kStopped;
      break;
  }
  if (process.exit && process.phase == Phase::kStopped) {
    response.exit_status = process.exit->status;
    response.exited_at = process.exit->at;
  }
  respond(encoded(response));
}

void Service::wait(const std::string& payload, pid_t /*caller*/, Respond respond) {
  TAKE_PROCESS(proto::ProcessRequest, request);
  auto answer = [respond = std::move(respond)](const Exit& exit) {
    respond(encoded(proto::WaitResponse{.exit_status = exit.status, .exited_at = exit.at}));
  };
  if (process.phase == Phase::kStopped && process.exit) return answer(*process.exit);
  process.waiting.emplace_back(std::move(answer));
}

void Service::kill(const std::string& payload, pid_t caller, Respond respond) {
  TAKE_PROCESS(proto::KillRequest, request);
  if (process.phase == Phase::kStopped) return respond(already_finished());
  if (process.pid == 0) {
    return respond(make_error(Code::kWrongState, "process not created: failed precondition"));
  }
  const auto signal = static_cast<int>(request.signal);
  if (!request.exec_id.empty()) {
    // Our own child, not waited for yet: the number is nobody else's.
    if (process.exit || ::kill(process.pid, signal) != 0) return respond(already_finished());
    return respond(empty());
  }
  ask(
      owner, Need::kStop, caller,
      [id = owner.id, signal, all = request.all](const container::Host& host) -> Result<std::string> {
        TRY(container::kill(host, id, signal, all));
        return empty();
      },
      [respond = std::move(respond)](Result<std::string> result) {
        if (!result.ok() && result.error().code == Code::kWrongState) return respond(already_finished());
        respond(std::move(result));
      });
}

void Service::pids(const std::string& payload, pid_t caller, Respond respond) {
  TAKE(proto::ProcessRequest, request);
  if (owner.first.phase == Phase::kMaking)
    return respond(make_error(Code::kWrongState, "the container is being made"));
  ask(
      owner, Need::kRead, caller,
      [id = owner.id](const container::Host& host) { return list_processes(host, id); },
      [this, id = owner.id, respond = std::move(respond)](Result<std::string> result) {
        const Result<Container*> found = container(id);
        if (!result.ok() || !found.ok()) return respond(std::move(result));
        Result<proto::PidsResponse> response = proto::decode<proto::PidsResponse>(*result);
        if (!response.ok()) return respond(std::move(response).error());
        for (proto::ProcessInfo& info : response->processes) {
          for (const auto& [exec_id, process] : (*found)->execs) {
            if (static_cast<uint32_t>(process->pid) != info.pid) continue;
            info.info = {.type_url = "containerd.runc.v1.ProcessDetails",
                         .value = encoded(proto::ProcessDetails{.exec_id = exec_id})};
          }
        }
        respond(encoded(*response));
      });
}

void Service::pause(const std::string& payload, pid_t caller, Respond respond) {
  TAKE(proto::ProcessRequest, request);
  ask(
      owner, Need::kChange, caller,
      [id = owner.id](const container::Host& host) -> Result<std::string> {
        TRY(container::pause(host, id));
        return empty();
      },
      [this, id = owner.id, respond = std::move(respond)](Result<std::string> result) {
        const Result<Container*> found = container(id);
        if (result.ok() && found.ok()) {
          (*found)->paused = true;
          events_.publish_paused({.container_id = id});
        }
        respond(std::move(result));
      });
}

void Service::resume(const std::string& payload, pid_t caller, Respond respond) {
  TAKE(proto::ProcessRequest, request);
  ask(
      owner, Need::kChange, caller,
      [id = owner.id](const container::Host& host) -> Result<std::string> {
        TRY(container::resume(host, id));
        return empty();
      },
      [this, id = owner.id, respond = std::move(respond)](Result<std::string> result) {
        const Result<Container*> found = container(id);
        if (result.ok() && found.ok()) {
          (*found)->paused = false;
          events_.publish_resumed({.container_id = id});
        }
        respond(std::move(result));
      });
}

void Service::checkpoint(const std::string& /*payload*/, pid_t /*caller*/, Respond respond) {
  respond(make_error(Code::kUnsupported, "checkpoints are not supported yet"));
}

void Service::resize_pty(const std::string& payload, pid_t /*caller*/, Respond respond) {
  TAKE_PROCESS(proto::ResizePtyRequest, request);
  if (process.stdio == nullptr) return respond(make_error(Code::kWrongState, "the process has no terminal"));
  const Status resized = process.stdio->resize(request.width, request.height);
  if (!resized.ok()) return respond(Error(resized.error()));
  respond(empty());
}

void Service::close_io(const std::string& payload, pid_t /*caller*/, Respond respond) {
  TAKE_PROCESS(proto::CloseIORequest, request);
  if (request.stdin_end && process.stdio != nullptr) process.stdio->close_input();
  respond(empty());
}

void Service::update(const std::string& payload, pid_t caller, Respond respond) {
  TAKE(proto::UpdateTaskRequest, request);
  ask(
      owner, Need::kHarden, caller,
      [id = owner.id, text = request.resources.value](const container::Host& host) {
        return update_resources(host, id, text);
      },
      std::move(respond));
}

void Service::stats(const std::string& payload, pid_t caller, Respond respond) {
  TAKE(proto::ProcessRequest, request);
  ask(
      owner, Need::kRead, caller,
      [id = owner.id](const container::Host& host) { return read_metrics(host, id); }, std::move(respond));
}

void Service::connect(const std::string& payload, pid_t /*caller*/, Respond respond) {
  const Result<proto::ProcessRequest> request = proto::decode<proto::ProcessRequest>(payload);
  if (!request.ok()) return respond(Error(request.error()));
  // No such container is no error: containerd takes it for a shim that has lost it.
  const Result<Container*> found = container(request->id);
  const pid_t pid = found.ok() ? (*found)->first.pid : 0;
  respond(encoded(proto::ConnectResponse{.shim_pid = static_cast<uint32_t>(::getpid()),
                                         .task_pid = static_cast<uint32_t>(pid),
                                         .version = GABION_VERSION}));
}

void Service::shutdown(const std::string& /*payload*/, pid_t /*caller*/, Respond respond) {
  // containerd 1.6 asks for each container; the shim is the pod's.
  if (containers_.empty()) shutting_down_ = true;
  respond(empty());
}

bool Service::finished() const { return shutting_down_ && !workers_.busy() && events_.idle(); }

}  // namespace gabion::shim
