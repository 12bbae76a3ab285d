// containerd's task service, versions 2 and 3, for all containers of one pod.
//
// A request is looked at here, its work is done by a worker (worker.h), and it is answered when that reports.
// Whatever can be answered from memory is: State and Wait cost no process.
//
//     service.cc        which request is which, and those that are answered by asking
//     service_life.cc   create, start, exec, delete
//     service_ends.cc   what ends by itself: processes, and memory
//     service_told.cc   what is told the audit log: ends, want of memory, and violations
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "audit/record.h"
#include "base/fd.h"
#include "base/result.h"
#include "shim/containerd/events.h"
#include "shim/containerd/loop/loop.h"
#include "shim/containerd/node.h"
#include "shim/containerd/proto/runtime.h"
#include "shim/containerd/proto/task.h"
#include "shim/containerd/stdio.h"
#include "shim/containerd/task.h"
#include "shim/containerd/ttrpc/server.h"
#include "shim/containerd/worker.h"

namespace gabion::shim {

struct CreateReport;

class Service {
 public:
  Service(Loop& loop, Node node, Events& events)
      : loop_(loop), node_(std::move(node)), events_(events), workers_(loop) {}

  // A ttrpc::Handler.
  void handle(const ttrpc::Request& request, const ttrpc::Peer& peer, const ttrpc::Respond& respond);

  // The reaper's word: a child has ended, with waitpid(2)'s status.
  void ended(pid_t pid, int wait_status);

  // Asked to shut down, without containers, and nothing is left to be told.
  [[nodiscard]] bool finished() const;

 private:
  using Respond = ttrpc::Respond;
  using Operation = std::function<Result<std::string>(const container::Host&)>;
  struct Target {
    Container& owner;
    Process& process;
  };

  // Each answers by `respond`, now or later, or returns why it will not.
  Status state(const proto::ProcessRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  // state(), which waits for a reader for `left_ms` more.
  Status state_within(int64_t left_ms, const proto::ProcessRequest& request, const Respond& respond);
  Status create(const proto::CreateTaskRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status start(const proto::ProcessRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status remove(const proto::ProcessRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status pids(const proto::ProcessRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status pause(const proto::ProcessRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status resume(const proto::ProcessRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status checkpoint(const proto::ProcessRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status kill(const proto::KillRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status exec(const proto::ExecProcessRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status resize_pty(const proto::ResizePtyRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status close_io(const proto::CloseIORequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status update(const proto::UpdateTaskRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status wait(const proto::ProcessRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status stats(const proto::ProcessRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status connect(const proto::ProcessRequest& request, const ttrpc::Peer& peer, const Respond& respond);
  Status shutdown(const proto::ShutdownRequest& request, const ttrpc::Peer& peer, const Respond& respond);

  template <auto kMethod, typename Message>
  static Status call(Service& service, const std::string& payload, const ttrpc::Peer& peer,
                     const Respond& respond);
  using Call = Status (*)(Service&, const std::string&, const ttrpc::Peer&, const Respond&);
  static Call find_call(std::string_view method);

  // Code::kNotFound with containerd's words.
  Result<Container*> container(const std::string& id);
  Result<Target> target(const std::string& id, const std::string& exec_id);
  // Whom the audit log names for what this client asks; valid until another one asks.
  const audit::Actor& caller_at(const ttrpc::Peer& peer);
  // Runs in a worker, under the policy and log of the container; `caller` is on_node()'s. `held` is closed
  // there when it is done, and here as soon as it has begun.
  void ask(const Container& owner, Need need, const audit::Actor* caller, const Operation& operation,
           Workers::Done done, Fd held = {});
  // The same for what nobody has asked for: it is done in any case.
  void do_own(const Container& owner, const Operation& operation, Workers::Done done, Fd held = {});

  Result<Stdio> open_stdio(const StdioPaths& paths);
  Status set_paused(const proto::ProcessRequest& request, bool paused, const ttrpc::Peer& peer,
                    const Respond& respond);
  Status kill_exec(Container& owner, Process& process, int signal, const ttrpc::Peer& peer,
                   const Respond& respond);
  Status start_first(Container& owner, const ttrpc::Peer& peer, const Respond& respond);
  Status start_exec(Container& owner, Process& process, const ttrpc::Peer& peer, const Respond& respond);
  Status remove_first(Container& owner, const ttrpc::Peer& peer, const Respond& respond);
  void created(const std::string& id, proto::TaskCreate event, Result<std::string> result,
               const Respond& respond);
  void executed(const std::string& id, const std::string& exec_id, Result<std::string> result,
                const Respond& respond);
  void removed(const std::string& id, const Result<std::string>& result, const Respond& respond);
  static void answer_waiting(Process& process, const Exit& exit);
  void adopt(Process& process, pid_t pid);
  void settle(Container& owner, Process& process);
  void end_others(Container& owner);
  void tell_exit(Container& owner, Process& process);
  void note(Container& owner, const char* event, const std::string& detail, Fd held = {});
  void write(Container& owner, OwnWork work);
  void write_next(Container& owner);
  Result<Fd> open_violations(Container& owner);
  void begin_violations(Container& owner, const CreateReport& report);
  void freeze(Container& owner);
  void tell_oom(Container& owner);
  void watch_memory(Container& owner, const std::vector<proto::MapEntry>& cgroup);
  void read_memory_event(const std::string& id);
  void forget(const std::string& id);

  Loop& loop_;
  Node node_;
  Events& events_;
  Workers workers_;
  size_t listeners_ = 0;  // of all containers' violations, which count them
  std::map<std::string, std::shared_ptr<Container>> containers_;
  // Ended before their worker could say that they are a container's.
  std::unordered_map<pid_t, Exit> early_;
  audit::Actor caller_;
  uint64_t caller_client_ = 0;         // whose; 0: nobody has asked yet
  std::unordered_set<pid_t> copiers_;  // not yet ended; of deleted processes, too
  bool shutting_down_ = false;
};

}  // namespace gabion::shim
