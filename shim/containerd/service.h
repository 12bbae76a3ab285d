// containerd's task service, versions 2 and 3, for all containers of one pod.
//
// A request is looked at here, its work is done by a worker (worker.h), and it is answered when that reports.
// Whatever can be answered from memory is: State and Wait cost no process.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "shim/containerd/events.h"
#include "shim/containerd/loop.h"
#include "shim/containerd/node.h"
#include "shim/containerd/proto/task.h"
#include "shim/containerd/task.h"
#include "shim/containerd/ttrpc/server.h"
#include "shim/containerd/worker.h"

namespace gabion::shim {

class Service {
 public:
  Service(Loop& loop, Node node, Events& events)
      : loop_(loop), node_(std::move(node)), events_(events), workers_(loop) {}

  // A ttrpc::Handler.
  void handle(const ttrpc::Request& request, const ttrpc::Peer& peer, ttrpc::Respond respond);

  // The reaper's word: a child has ended, with waitpid(2)'s status.
  void ended(pid_t pid, int wait_status);

  // Asked to shut down, without containers, and nothing is left to be told.
  [[nodiscard]] bool finished() const;

 private:
  using Respond = ttrpc::Respond;
  using Method = void (Service::*)(const std::string& payload, pid_t caller, Respond respond);
  static Method find(std::string_view name);

  void state(const std::string& payload, pid_t caller, Respond respond);
  void create(const std::string& payload, pid_t caller, Respond respond);
  void start(const std::string& payload, pid_t caller, Respond respond);
  void remove(const std::string& payload, pid_t caller, Respond respond);
  void pids(const std::string& payload, pid_t caller, Respond respond);
  void pause(const std::string& payload, pid_t caller, Respond respond);
  void resume(const std::string& payload, pid_t caller, Respond respond);
  void checkpoint(const std::string& payload, pid_t caller, Respond respond);
  void kill(const std::string& payload, pid_t caller, Respond respond);
  void exec(const std::string& payload, pid_t caller, Respond respond);
  void resize_pty(const std::string& payload, pid_t caller, Respond respond);
  void close_io(const std::string& payload, pid_t caller, Respond respond);
  void update(const std::string& payload, pid_t caller, Respond respond);
  void wait(const std::string& payload, pid_t caller, Respond respond);
  void stats(const std::string& payload, pid_t caller, Respond respond);
  void connect(const std::string& payload, pid_t caller, Respond respond);
  void shutdown(const std::string& payload, pid_t caller, Respond respond);

  Result<Container*> container(const std::string& id);
  void start_first(Container& container, pid_t caller, Respond respond);
  void start_exec(Container& container, Process& process, pid_t caller, Respond respond);
  void remove_first(Container& container, pid_t caller, Respond respond);
  void adopt(Process& process, pid_t pid);
  void settle(Container& container, Process& process);
  void tell_exit(Container& container, Process& process);
  void watch_memory(Container& container);
  void forget(const std::string& id);
  // Runs in a worker, with the result as the answer.
  void ask(const Container& owner, Need need, pid_t caller,
           const std::function<Result<std::string>(const container::Host&)>& operation, Workers::Done done);

  Loop& loop_;
  Node node_;
  Events& events_;
  Workers workers_;
  std::map<std::string, std::unique_ptr<Container>> containers_;
  // Ended before their worker could say that they are a container's.
  std::unordered_map<pid_t, Exit> early_;
  bool shutting_down_ = false;
};

}  // namespace gabion::shim
