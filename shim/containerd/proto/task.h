// Requests and answers of the task service: containerd's runtime/task/v2/shim.proto, whose version 3 is the
// same under another name. Field names are the .proto's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shim/containerd/proto/common.h"

namespace gabion::proto {

enum class TaskStatus : uint32_t { kUnknown, kCreated, kRunning, kStopped, kPaused, kPausing };

// The paths of stdin, stdout and stderr are as in stdio_address.h.
struct CreateTaskRequest {
  std::string id;
  std::string bundle;
  std::vector<Mount> rootfs;
  bool terminal = false;
  std::string stdin_path;
  std::string stdout_path;
  std::string stderr_path;
  std::string checkpoint;
  std::string parent_checkpoint;
  Any options;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.bundle), visit(3, self.rootfs), visit(4, self.terminal),
        visit(5, self.stdin_path), visit(6, self.stdout_path), visit(7, self.stderr_path),
        visit(8, self.checkpoint), visit(9, self.parent_checkpoint), visit(10, self.options);
  }
};

// Of Create and Start.
struct PidResponse {
  uint32_t pid = 0;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.pid);
  }
};

struct DeleteResponse {
  uint32_t pid = 0;
  uint32_t exit_status = 0;
  Timestamp exited_at;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.pid), visit(2, self.exit_status), visit(3, self.exited_at);
  }
};

struct ExecProcessRequest {
  std::string id;
  std::string exec_id;
  bool terminal = false;
  std::string stdin_path;
  std::string stdout_path;
  std::string stderr_path;
  Any spec;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.exec_id), visit(3, self.terminal), visit(4, self.stdin_path),
        visit(5, self.stdout_path), visit(6, self.stderr_path), visit(7, self.spec);
  }
};

struct ResizePtyRequest {
  std::string id;
  std::string exec_id;
  uint32_t width = 0;
  uint32_t height = 0;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.exec_id), visit(3, self.width), visit(4, self.height);
  }
};

// Of State, Start, Delete, Wait; and of Pids, Pause, Resume, Stats and Connect, which have no exec_id.
struct ProcessRequest {
  std::string id;
  std::string exec_id;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.exec_id);
  }
};

struct StateResponse {
  std::string id;
  std::string bundle;
  uint32_t pid = 0;
  TaskStatus status = TaskStatus::kUnknown;
  std::string stdin_path;
  std::string stdout_path;
  std::string stderr_path;
  bool terminal = false;
  uint32_t exit_status = 0;
  Timestamp exited_at;
  std::string exec_id;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.bundle), visit(3, self.pid), visit(4, self.status),
        visit(5, self.stdin_path), visit(6, self.stdout_path), visit(7, self.stderr_path),
        visit(8, self.terminal), visit(9, self.exit_status), visit(10, self.exited_at),
        visit(11, self.exec_id);
  }
};

struct KillRequest {
  std::string id;
  std::string exec_id;
  uint32_t signal = 0;
  bool all = false;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.exec_id), visit(3, self.signal), visit(4, self.all);
  }
};

struct CloseIORequest {
  std::string id;
  std::string exec_id;
  bool stdin_end = false;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.exec_id), visit(3, self.stdin_end);
  }
};

struct ProcessInfo {
  uint32_t pid = 0;
  Any info;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.pid), visit(2, self.info);
  }
};

struct PidsResponse {
  std::vector<ProcessInfo> processes;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.processes);
  }
};

// containerd.runc.v1.ProcessDetails: what ProcessInfo::info holds of an exec.
struct ProcessDetails {
  std::string exec_id;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.exec_id);
  }
};

struct UpdateTaskRequest {
  std::string id;
  Any resources;
  std::vector<MapEntry> annotations;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.resources), visit(3, self.annotations);
  }
};

struct WaitResponse {
  uint32_t exit_status = 0;
  Timestamp exited_at;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.exit_status), visit(2, self.exited_at);
  }
};

struct StatsResponse {
  Any stats;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.stats);
  }
};

struct ConnectResponse {
  uint32_t shim_pid = 0;
  uint32_t task_pid = 0;
  std::string version;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.shim_pid), visit(2, self.task_pid), visit(3, self.version);
  }
};

struct ShutdownRequest {
  std::string id;
  bool now = false;

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.id), visit(2, self.now);
  }
};

}  // namespace gabion::proto
