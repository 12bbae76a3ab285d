#include "shim/containerd/service_work.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "kernel/cgroup_stats.h"
#include "oci/check.h"
#include "oci/reader.h"
#include "shim/containerd/logger.h"
#include "shim/containerd/metrics.h"
#include "shim/containerd/proto/message.h"
#include "shim/containerd/proto/runtime.h"
#include "shim/containerd/rootfs.h"

namespace gabion::shim {

namespace {

// Options of another runtime's that change what runs: silence about them would be a lie.
Status apply_runc_options(const proto::RuncOptions& options, CreateWork& work) {
  if (options.systemd_cgroup) {
    return make_error(Code::kUnsupported,
                      "option SystemdCgroup: cgroups through systemd are not supported yet");
  }
  if (!options.binary_name.empty()) {
    return make_error(Code::kUnsupported,
                      concat({"option BinaryName (", options.binary_name,
                              "): this shim is the runtime; use io.containerd.runc.v2 to run another"}));
  }
  if (!options.root.empty()) {
    return make_error(Code::kUnsupported,
                      concat({"option Root (", options.root, "): the state is in ", work.node.root}));
  }
  work.create.no_pivot = options.no_pivot_root;
  work.create.no_new_keyring = options.no_new_keyring;
  return ok_status();
}

Status apply_options(const proto::Any& any, CreateWork& work) {
  if (any.value.empty()) return ok_status();
  if (any.type_url.ends_with("containerd.runc.v1.Options")) {
    return apply_runc_options(TRY(proto::decode<proto::RuncOptions>(any.value)), work);
  }
  if (any.type_url.ends_with("runtimeoptions.v1.Options")) {
    const proto::RuntimeOptions options = TRY(proto::decode<proto::RuntimeOptions>(any.value));
    if (!options.config_body.empty()) {
      return make_error(Code::kUnsupported, "runtime options: a policy is a file of root's; use ConfigPath");
    }
    if (!options.config_path.empty()) work.node.policy_file = options.config_path;
    return ok_status();
  }
  return make_error(Code::kInvalid, concat({"options of an unknown type: ", any.type_url}));
}

Result<json::Value> parse(const std::string& text, std::string_view what) {
  if (text.empty()) return make_error(Code::kInvalid, concat({what, ": the request has none"}));
  return json::parse(text, what);
}

CreateReport report_of(const container::Created& created) {
  CreateReport report;
  report.pid = static_cast<uint32_t>(created.pid);
  report.shared_pid_namespace = !created.own_pid_namespace;
  for (const auto& [controllers, directory] : created.cgroup.directories) {
    report.cgroup.push_back({.key = controllers, .value = directory});
  }
  report.seccomp_profile = created.seccomp_profile;
  for (const std::string_view kind : policy::kViolationKinds) {
    const policy::Answer answer = created.violations.answer(kind);
    if (answer == policy::Answer::kOff) continue;
    report.violations.push_back(
        {.key = std::string(kind), .value = std::string(policy::kAnswers[static_cast<size_t>(answer)])});
  }
  return report;
}

}  // namespace

Result<CreateWork> create_work(const Node& node, const proto::CreateTaskRequest& request) {
  if (request.bundle.empty() || request.bundle[0] != '/') {
    return make_error(Code::kInvalid, concat({"bundle ", request.bundle, " is not an absolute path"}));
  }
  CreateWork work{.node = node, .caller = {}, .rootfs = request.rootfs, .logger = {}, .create = {}};
  work.create.id = request.id;
  work.create.bundle = request.bundle;
  work.create.root_ids = TRY(root_ids(request.rootfs));
  TRY(apply_options(request.options, work));
  return work;
}

Result<std::string> run_create(const CreateWork& work) {
  return on_node(work.node, Need::kHarden, &work.caller,
                 [&](const container::Host& host) -> Result<std::string> {
                   // The policy and the log are open, and the logger has the host's mounts, not these.
                   return with_logger(host, work.logger, work.create.id, [&]() -> Result<std::string> {
                     container::CreateOptions options = work.create;
                     options.mount_root = [&] {
                       return mount_rootfs({.mounts = work.rootfs,
                                            .ids = work.create.root_ids,
                                            .shifted = host.policy->user_namespace || work.create.root_ids},
                                           work.create.bundle + "/rootfs");
                     };
                     const container::Created created = TRY(container::create(host, options));
                     return proto::encode(report_of(created));
                   });
                 });
}

policy::Violations violations_of(const CreateReport& report) {
  policy::Violations violations;
  for (const auto& [kind, name] : report.violations) {
    const std::optional<size_t> index = policy::violation_kind(kind);
    const std::optional<policy::Answer> answer = policy::answer_from_name(name);
    if (index && answer) violations.set(*index, *answer);
  }
  return violations;
}

std::function<Result<std::string>(const container::Host&)> answered_empty(
    std::function<Status(const container::Host&)> change) {
  return [change = std::move(change)](const container::Host& host) -> Result<std::string> {
    TRY(change(host));
    return std::string();
  };
}

Result<std::string> run_exec(const ExecWork& work) {
  return on_node(work.node, Need::kHarden, &work.caller, [&](const container::Host& host) {
    return with_logger(host, work.logger, work.id, [&]() -> Result<std::string> {
      container::ExecOptions options;
      options.id = work.id;
      const json::Value document = TRY(parse(work.spec, "process"));
      options.process = TRY(oci::read_process(document));
      options.process.terminal = work.terminal;
      options.console = work.console;
      options.detach = true;
      const container::Executed executed = TRY(container::exec(host, options));
      return proto::encode(proto::PidResponse{.pid = static_cast<uint32_t>(executed.pid)});
    });
  });
}

Result<std::string> list_processes(const container::Host& host, const std::string& id) {
  proto::PidsResponse response;
  for (const pid_t pid : TRY(container::processes(host, id))) {
    response.processes.push_back({.pid = static_cast<uint32_t>(pid), .info = {}});
  }
  return proto::encode(response);
}

Status update_resources(const container::Host& host, const std::string& id, const std::string& text) {
  const json::Value document = TRY(parse(text, "resources"));
  const oci::Resources resources = TRY(oci::read_resources(document));
  return container::update(host, id, resources);
}

Result<std::string> read_metrics(const container::Host& host, const std::string& id) {
  const kernel::Cgroup cgroup = TRY(container::open_cgroup(host, id));
  const kernel::CgroupStats stats = TRY(kernel::read_stats(cgroup.location()));
  return proto::encode(proto::StatsResponse{.stats = metrics(stats, kernel::cgroup_mode())});
}

}  // namespace gabion::shim
