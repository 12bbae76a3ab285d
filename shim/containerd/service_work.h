// What the service's workers do: everything here runs in a child of the shim's (worker.h), and its results
// are encoded messages.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "audit/record.h"
#include "base/result.h"
#include "container/container.h"
#include "policy/violations.h"
#include "shim/containerd/node.h"
#include "shim/containerd/proto/task.h"

namespace gabion::shim {

struct CreateWork {
  Node node;
  audit::Actor caller;
  std::vector<proto::Mount> rootfs;
  std::string logger;  // Stdio::logger()
  container::CreateOptions create;
};

// container::Created, as a message.
struct CreateReport {
  uint32_t pid = 0;
  bool shared_pid_namespace = false;    // a message leaves out what is false
  std::vector<proto::MapEntry> cgroup;  // CgroupLocation::directories
  std::string seccomp_profile;
  std::vector<proto::MapEntry> violations;  // kind and answer, as policies have them

  template <typename Self, typename Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(1, self.pid), visit(2, self.shared_pid_namespace), visit(3, self.cgroup),
        visit(4, self.seccomp_profile), visit(5, self.violations);
  }
};
policy::Violations violations_of(const CreateReport& report);

// What the request and its options say. Code::kUnsupported or kInvalid names the option.
Result<CreateWork> create_work(const Node& node, const proto::CreateTaskRequest& request);
Result<std::string> run_create(const CreateWork& work);

// An operation whose answer says nothing but that it was done.
std::function<Result<std::string>(const container::Host&)> answered_empty(
    std::function<Status(const container::Host&)> change);

struct ExecWork {
  Node node;
  audit::Actor caller;
  std::string id;
  std::string spec;    // the OCI process, as JSON
  std::string logger;  // Stdio::logger()
  bool terminal = false;
  int console = -1;
};
Result<std::string> run_exec(const ExecWork& work);

Result<std::string> list_processes(const container::Host& host, const std::string& id);
Status update_resources(const container::Host& host, const std::string& id, const std::string& text);
Result<std::string> read_metrics(const container::Host& host, const std::string& id);

}  // namespace gabion::shim
