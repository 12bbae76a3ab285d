// What containerd is told, in the order in which it happened. containerd's topics: runtime/events.go.
#pragma once

#include <memory>
#include <string>

#include "shim/containerd/loop/loop.h"
#include "shim/containerd/proto/events.h"
#include "shim/containerd/proto/message.h"
#include "shim/containerd/ttrpc/client.h"

namespace gabion::shim {

proto::Timestamp now();

class Events {
 public:
  // `address`: path of containerd's ttrpc socket; "" (a shim driven by hand): nobody is told.
  Events(Loop& loop, const std::string& address, std::string name_space);

  void publish(const proto::TaskCreate& event) { send("/tasks/create", "TaskCreate", proto::encode(event)); }
  void publish(const proto::TaskStart& event) { send("/tasks/start", "TaskStart", proto::encode(event)); }
  void publish(const proto::TaskExit& event) { send("/tasks/exit", "TaskExit", proto::encode(event)); }
  void publish(const proto::TaskDelete& event) { send("/tasks/delete", "TaskDelete", proto::encode(event)); }
  void publish(const proto::TaskOom& event) { send("/tasks/oom", "TaskOOM", proto::encode(event)); }
  void publish(const proto::TaskExecAdded& event) {
    send("/tasks/exec-added", "TaskExecAdded", proto::encode(event));
  }
  void publish(const proto::TaskExecStarted& event) {
    send("/tasks/exec-started", "TaskExecStarted", proto::encode(event));
  }
  void publish_paused(const proto::TaskPaused& event, bool paused) {
    send(paused ? "/tasks/paused" : "/tasks/resumed", paused ? "TaskPaused" : "TaskResumed",
         proto::encode(event));
  }

  [[nodiscard]] bool idle() const { return client_ == nullptr || client_->idle(); }

 private:
  void send(const char* topic, const char* type, std::string event);

  std::string name_space_;
  std::unique_ptr<ttrpc::Client> client_;
};

}  // namespace gabion::shim
