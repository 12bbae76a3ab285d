// What the shim tells containerd: events/task.proto, types/event.proto,
// services/ttrpc/events/v1/events.proto.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shim/containerd/proto/common.h"

namespace gabion::proto {

struct TaskIo {
  std::string stdin_path;
  std::string stdout_path;
  std::string stderr_path;
  bool terminal = false;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.stdin_path), visit(2, self.stdout_path), visit(3, self.stderr_path),
        visit(4, self.terminal);
  }
};

struct TaskCreate {
  std::string container_id;
  std::string bundle;
  std::vector<Mount> rootfs;
  TaskIo io;
  std::string checkpoint;
  uint32_t pid = 0;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id), visit(2, self.bundle), visit(3, self.rootfs), visit(4, self.io),
        visit(5, self.checkpoint), visit(6, self.pid);
  }
};

struct TaskStart {
  std::string container_id;
  uint32_t pid = 0;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id), visit(2, self.pid);
  }
};

// `id` is the exec's; empty, the container's first process is meant. As in TaskExit.
struct TaskDelete {
  std::string container_id;
  uint32_t pid = 0;
  uint32_t exit_status = 0;
  Timestamp exited_at;
  std::string id;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id), visit(2, self.pid), visit(3, self.exit_status), visit(4, self.exited_at),
        visit(5, self.id);
  }
};

// `id` is that of the exec, or the container's own.
struct TaskExit {
  std::string container_id;
  std::string id;
  uint32_t pid = 0;
  uint32_t exit_status = 0;
  Timestamp exited_at;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id), visit(2, self.id), visit(3, self.pid), visit(4, self.exit_status),
        visit(5, self.exited_at);
  }
};

struct TaskOom {
  std::string container_id;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id);
  }
};

struct TaskExecAdded {
  std::string container_id;
  std::string exec_id;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id), visit(2, self.exec_id);
  }
};

struct TaskExecStarted {
  std::string container_id;
  std::string exec_id;
  uint32_t pid = 0;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id), visit(2, self.exec_id), visit(3, self.pid);
  }
};

// And TaskResumed.
struct TaskPaused {
  std::string container_id;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.container_id);
  }
};

struct Envelope {
  Timestamp timestamp;
  std::string name_space;
  std::string topic;
  Any event;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.timestamp), visit(2, self.name_space), visit(3, self.topic), visit(4, self.event);
  }
};

struct ForwardRequest {
  Envelope envelope;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.envelope);
  }
};

}  // namespace gabion::proto
