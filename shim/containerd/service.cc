#include "shim/containerd/service.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "shim/containerd/proto/message.h"
#include "shim/containerd/service_work.h"

namespace gabion::shim {

namespace {

// containerd that was started again opens a process's fifos in the background and asks for its state. If the
// process has ended, it gives up what is not open yet, and the last words would be lost. So State waits for
// the reader, but not for long: there may be none.
constexpr int64_t kReaderMs = 100;
constexpr int64_t kReaderStepMs = 1;

// containerd takes "not found" for the end it waited for.
Error already_finished() { return make_error(Code::kNotFound, "process already finished: not found"); }

proto::TaskStatus status_of(const Container& owner, const Process& process) {
  if (process.phase == Phase::kStopped) return proto::TaskStatus::kStopped;
  if (process.phase != Phase::kRunning) return proto::TaskStatus::kCreated;
  return owner.paused ? proto::TaskStatus::kPaused : proto::TaskStatus::kRunning;
}

}  // namespace

// --- which request is which --------------------------------------------------------------------

template <auto kMethod, typename Message>
Status Service::call(Service& service, const std::string& payload, const ttrpc::Peer& peer,
                     const Respond& respond) {
  const Message message = TRY(proto::decode<Message>(payload));
  return (service.*kMethod)(message, peer, respond);
}

Service::Call Service::find_call(std::string_view method) {
  struct Entry {
    std::string_view name;
    Call call;
  };
  static constexpr std::array kCalls{
      Entry{"State", call<&Service::state, proto::ProcessRequest>},
      Entry{"Create", call<&Service::create, proto::CreateTaskRequest>},
      Entry{"Start", call<&Service::start, proto::ProcessRequest>},
      Entry{"Delete", call<&Service::remove, proto::ProcessRequest>},
      Entry{"Pids", call<&Service::pids, proto::ProcessRequest>},
      Entry{"Pause", call<&Service::pause, proto::ProcessRequest>},
      Entry{"Resume", call<&Service::resume, proto::ProcessRequest>},
      Entry{"Checkpoint", call<&Service::checkpoint, proto::ProcessRequest>},
      Entry{"Kill", call<&Service::kill, proto::KillRequest>},
      Entry{"Exec", call<&Service::exec, proto::ExecProcessRequest>},
      Entry{"ResizePty", call<&Service::resize_pty, proto::ResizePtyRequest>},
      Entry{"CloseIO", call<&Service::close_io, proto::CloseIORequest>},
      Entry{"Update", call<&Service::update, proto::UpdateTaskRequest>},
      Entry{"Wait", call<&Service::wait, proto::ProcessRequest>},
      Entry{"Stats", call<&Service::stats, proto::ProcessRequest>},
      Entry{"Connect", call<&Service::connect, proto::ProcessRequest>},
      Entry{"Shutdown", call<&Service::shutdown, proto::ShutdownRequest>},
  };
  const auto* found = std::find_if(kCalls.begin(), kCalls.end(),
                                   [method](const Entry& entry) { return entry.name == method; });
  return found == kCalls.end() ? nullptr : found->call;
}

void Service::handle(const ttrpc::Request& request, const ttrpc::Peer& peer, const Respond& respond) {
  if (request.service != "containerd.task.v2.Task" && request.service != "containerd.task.v3.Task") {
    return respond(make_error(Code::kUnsupported, concat({"service ", request.service})));
  }
  const Call found = find_call(request.method);
  if (found == nullptr) return respond(make_error(Code::kUnsupported, concat({"method ", request.method})));
  Status status = found(*this, request.payload, peer, respond);
  if (!status.ok()) respond(std::move(status).error());
}

Result<Container*> Service::container(const std::string& id) {
  const auto found = containers_.find(id);
  if (found == containers_.end()) {
    return make_error(Code::kNotFound, concat({"container ", id, ": not found"}));
  }
  return found->second.get();
}

Result<Service::Target> Service::target(const std::string& id, const std::string& exec_id) {
  Container* owner = TRY(container(id));
  Process* process = TRY(owner->process(exec_id));
  return Target{*owner, *process};
}

const audit::Actor& Service::caller_at(const ttrpc::Peer& peer) {
  // Of the last one: an engine asks for everything by one connection, and who it is takes many files of
  // /proc.
  if (peer.client != caller_client_) {
    // 0: it is in no pid namespace that can be seen from here.
    caller_ = audit::current_actor(peer.pid != 0 ? peer.pid : ::getpid());
    caller_client_ = peer.client;
  }
  return caller_;
}

void Service::ask(const Container& owner, Need need, const audit::Actor* caller, const Operation& operation,
                  Workers::Done done, Fd held) {
  workers_.start(
      {.keep = {held.get()}}, [&] { return on_node(owner.node, need, caller, operation); }, std::move(done),
      need == Need::kAlways ? Workers::kMaxAtOnce : Workers::kMostOrdinary);
}

void Service::do_own(const Container& owner, const Operation& operation, Workers::Done done, Fd held) {
  workers_.start_own(
      [node = owner.node, operation] { return on_node(node, Need::kAlways, nullptr, operation); },
      std::move(done), std::move(held));
}

// --- answered from memory ----------------------------------------------------------------------

Status Service::state(const proto::ProcessRequest& request, const ttrpc::Peer& /*peer*/,
                      const Respond& respond) {
  return state_within(kReaderMs, request, respond);
}

Status Service::state_within(int64_t left_ms, const proto::ProcessRequest& request, const Respond& respond) {
  const auto [owner, process] = TRY(target(request.id, request.exec_id));
  if (left_ms > 0 && process.phase == Phase::kStopped && process.stdio && process.stdio->has_unread()) {
    loop_.after(kReaderStepMs, [this, left_ms, request, respond] {
      Status status = state_within(left_ms - kReaderStepMs, request, respond);
      if (!status.ok()) respond(std::move(status).error());
    });
    return ok_status();
  }
  proto::StateResponse response;
  response.id = owner.id;
  response.exec_id = request.exec_id;
  response.bundle = owner.bundle;
  response.pid = static_cast<uint32_t>(process.pid);
  response.status = status_of(owner, process);
  response.stdin_path = process.paths.input;
  response.stdout_path = process.paths.output;
  response.stderr_path = process.paths.error;
  response.terminal = process.paths.terminal;
  if (process.exit && process.phase == Phase::kStopped) {
    response.exit_status = process.exit->status;
    response.exited_at = process.exit->at;
  }
  respond(proto::encode(response));
  return ok_status();
}

Status Service::wait(const proto::ProcessRequest& request, const ttrpc::Peer& /*peer*/,
                     const Respond& respond) {
  Process& process = TRY(target(request.id, request.exec_id)).process;
  auto answer = [respond](const Exit& exit) {
    respond(proto::encode(proto::WaitResponse{.exit_status = exit.status, .exited_at = exit.at}));
  };
  if (process.phase == Phase::kStopped && process.exit) {
    answer(*process.exit);
  } else {
    process.waiting.emplace_back(std::move(answer));
  }
  return ok_status();
}

Status Service::connect(const proto::ProcessRequest& request, const ttrpc::Peer& /*peer*/,
                        const Respond& respond) {
  // No such container is no error: containerd takes it for a shim that has lost it.
  const Result<Container*> found = container(request.id);
  const pid_t pid = found.ok() ? (*found)->first.pid : 0;
  respond(proto::encode(proto::ConnectResponse{.shim_pid = static_cast<uint32_t>(::getpid()),
                                               .task_pid = static_cast<uint32_t>(pid),
                                               .version = GABION_VERSION}));
  return ok_status();
}

Status Service::shutdown(const proto::ShutdownRequest& /*request*/, const ttrpc::Peer& /*peer*/,
                         const Respond& respond) {
  // containerd 1.6 asks for each container; the shim is the pod's.
  if (containers_.empty()) shutting_down_ = true;
  respond(std::string());
  return ok_status();
}

bool Service::finished() const { return shutting_down_ && !workers_.busy() && events_.idle(); }

Status Service::resize_pty(const proto::ResizePtyRequest& request, const ttrpc::Peer& /*peer*/,
                           const Respond& respond) {
  const Process& process = TRY(target(request.id, request.exec_id)).process;
  if (!process.stdio) return make_error(Code::kWrongState, "the process has no terminal");
  TRY(process.stdio->resize(request.width, request.height));
  respond(std::string());
  return ok_status();
}

Status Service::close_io(const proto::CloseIORequest& request, const ttrpc::Peer& /*peer*/,
                         const Respond& respond) {
  Process& process = TRY(target(request.id, request.exec_id)).process;
  if (request.stdin_end && process.stdio) process.stdio->close_input();
  respond(std::string());
  return ok_status();
}

Status Service::checkpoint(const proto::ProcessRequest& /*request*/, const ttrpc::Peer& /*peer*/,
                           const Respond& /*respond*/) {
  return make_error(Code::kUnsupported, "checkpoints are not supported yet");
}

// --- asked of the container --------------------------------------------------------------------

Status Service::kill(const proto::KillRequest& request, const ttrpc::Peer& peer, const Respond& respond) {
  const auto [owner, process] = TRY(target(request.id, request.exec_id));
  if (process.phase == Phase::kStopped) return already_finished();
  if (process.pid == 0) return make_error(Code::kWrongState, "process not created: failed precondition");
  const auto signal = static_cast<int>(request.signal);
  if (!request.exec_id.empty()) {
    if (process.exit) return already_finished();
    return kill_exec(owner, process, signal, peer, respond);
  }
  auto change = [id = owner.id, signal, all = request.all](const container::Host& host) {
    return container::kill(host, id, signal, all);
  };
  ask(owner, Need::kAlways, &caller_at(peer), answered_empty(change), [respond](Result<std::string> result) {
    const bool gone = !result.ok() && result.error().code == Code::kWrongState;
    respond(gone ? Result<std::string>(already_finished()) : std::move(result));
  });
  return ok_status();
}

Status Service::kill_exec(Container& owner, Process& process, int signal, const ttrpc::Peer& peer,
                          const Respond& respond) {
  auto note = [id = owner.id,
               detail = concat({"pid ", std::to_string(process.pid), ", signal ", std::to_string(signal)})](
                  const container::Host& host) { return container::note(host, id, "exec.kill", detail); };
  ask(owner, Need::kAlways, &caller_at(peer), answered_empty(note),
      [this, id = owner.id, exec_id = process.exec_id, pid = process.pid, signal,
       respond](const Result<std::string>&) {
        const Result<Target> found = target(id, exec_id);
        const bool there = found.ok() && found->process.pid == pid && !found->process.exit;
        // Our own child, not waited for yet: the number is nobody else's.
        if (!there || ::kill(pid, signal) != 0) return respond(already_finished());
        respond(std::string());
      });
  return ok_status();
}

Status Service::pids(const proto::ProcessRequest& request, const ttrpc::Peer& /*peer*/,
                     const Respond& respond) {
  const Container& owner = *TRY(container(request.id));
  if (owner.first.phase == Phase::kMaking) {
    return make_error(Code::kWrongState, "the container is being made");
  }
  auto operation = [id = owner.id](const auto& host) { return list_processes(host, id); };
  ask(owner, Need::kRead, nullptr, operation, [this, id = owner.id, respond](Result<std::string> result) {
    const Result<Container*> found = container(id);
    if (!result.ok() || !found.ok()) return respond(std::move(result));
    Result<proto::PidsResponse> response = proto::decode<proto::PidsResponse>(*result);
    if (!response.ok()) return respond(std::move(response).error());
    for (proto::ProcessInfo& info : response->processes) {
      for (const auto& [exec_id, process] : (*found)->execs) {
        if (static_cast<uint32_t>(process->pid) != info.pid) continue;
        info.info = {.type_url = "containerd.runc.v1.ProcessDetails",
                     .value = proto::encode(proto::ProcessDetails{.exec_id = exec_id})};
      }
    }
    // Ended, and nobody has collected it yet: containerd 1.7 and later, started again, take a shim without
    // processes for one that never had any, and delete it with the exit status.
    const Process& first = (*found)->first;
    if (response->processes.empty() && first.phase == Phase::kStopped) {
      response->processes.push_back({.pid = static_cast<uint32_t>(first.pid), .info = {}});
    }
    respond(proto::encode(*response));
  });
  return ok_status();
}

Status Service::pause(const proto::ProcessRequest& request, const ttrpc::Peer& peer, const Respond& respond) {
  return set_paused(request, true, peer, respond);
}

Status Service::resume(const proto::ProcessRequest& request, const ttrpc::Peer& peer,
                       const Respond& respond) {
  return set_paused(request, false, peer, respond);
}

Status Service::set_paused(const proto::ProcessRequest& request, bool paused, const ttrpc::Peer& peer,
                           const Respond& respond) {
  const Container& owner = *TRY(container(request.id));
  auto change = [id = owner.id, paused](const container::Host& host) {
    return paused ? container::pause(host, id) : container::resume(host, id);
  };
  ask(owner, Need::kChange, &caller_at(peer), answered_empty(change),
      [this, id = owner.id, paused, respond](Result<std::string> result) {
        const Result<Container*> found = container(id);
        if (result.ok() && found.ok()) {
          (*found)->paused = paused;
          events_.publish_paused({.container_id = id}, paused);
        }
        respond(std::move(result));
      });
  return ok_status();
}

Status Service::update(const proto::UpdateTaskRequest& request, const ttrpc::Peer& peer,
                       const Respond& respond) {
  const Container& owner = *TRY(container(request.id));
  auto change = [id = owner.id, text = request.resources.value](const container::Host& host) {
    return update_resources(host, id, text);
  };
  ask(owner, Need::kHarden, &caller_at(peer), answered_empty(change), respond);
  return ok_status();
}

Status Service::stats(const proto::ProcessRequest& request, const ttrpc::Peer& /*peer*/,
                      const Respond& respond) {
  const Container& owner = *TRY(container(request.id));
  auto operation = [id = owner.id](const auto& host) { return read_metrics(host, id); };
  ask(owner, Need::kRead, nullptr, operation, respond);
  return ok_status();
}

}  // namespace gabion::shim
