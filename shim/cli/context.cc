#include "shim/cli/context.h"

#include "base/text.h"
#include "policy/reader.h"

namespace gabion::cli {

namespace {

constexpr Flag kGlobalFlags[] = {
    {"root", 0, FlagKind::kText, "DIR",
     "directory of the containers' state, on a tmpfs (default: /run/gabion/containers)"},
    {"policy", 0, FlagKind::kText, "FILE",
     "policy to apply (default: /etc/gabion/policy.json if it exists, else the built-in \"restricted\")"},
    {"audit", 0, FlagKind::kText, "FILE", "audit log (default: /var/log/gabion/audit.jsonl)"},
    {"log", 0, FlagKind::kText, "FILE", "append errors and debug lines to FILE, and still print errors"},
    {"log-format", 0, FlagKind::kText, "FORMAT", "text (default) or json"},
    {"debug", 0, FlagKind::kSwitch, nullptr, "log what is done, step by step"},
    {"cgroup-manager", 0, FlagKind::kText, "MANAGER", "cgroupfs (default) or disabled"},
    {"systemd-cgroup", 0, FlagKind::kSwitch, nullptr, "not supported yet: containers are refused with it"},
    {"rootless", 0, FlagKind::kText, "VALUE", "auto or false (default: auto); true is not supported"},
    {"criu", 0, FlagKind::kText, "FILE", nullptr},  // sent by containerd with every command when configured
    {"help", 'h', FlagKind::kSwitch, nullptr, "show help"},
    {"version", 'v', FlagKind::kSwitch, nullptr, "print the version"},
};

Error no_systemd(std::string_view flag) {
  return make_error(Code::kUnsupported,
                    concat({flag,
                            ": cgroups through systemd are not supported yet; use --cgroup-manager cgroupfs "
                            "(Docker: native.cgroupdriver=cgroupfs; containerd: SystemdCgroup = false)"}));
}

std::string or_default(const std::string& text, const char* fallback) {
  return text.empty() ? fallback : text;
}

}  // namespace

std::span<const Flag> global_flags() { return kGlobalFlags; }

Result<Context> make_context(std::string program, const Arguments& global) {
  Context context;
  context.program = std::move(program);
  const std::string& format = global.text("log-format");
  if (!format.empty() && format != "text" && format != "json") {
    return make_error(Code::kInvalid, concat({"invalid log-format: ", format}));
  }
  context.journal = TRY(Journal::open(
      global.text("log"), format == "json" ? LogFormat::kJson : LogFormat::kText, global.on("debug")));
  context.root = or_default(global.text("root"), kDefaultRoot);
  context.policy_file = global.text("policy");
  context.audit_file = or_default(global.text("audit"), audit::kDefaultLog);

  const std::string& manager = global.text("cgroup-manager");
  context.no_cgroups = manager == "disabled";
  context.systemd_cgroups = manager == "systemd" || global.on("systemd-cgroup");
  if (!manager.empty() && manager != "cgroupfs" && manager != "disabled" && manager != "systemd") {
    return make_error(Code::kInvalid, concat({"--cgroup-manager: unknown manager \"", manager,
                                              "\"; use cgroupfs or disabled"}));
  }
  const std::string& rootless = global.text("rootless");
  if (rootless == "true") {
    return make_error(Code::kUnsupported,
                      "--rootless true: gabion is run by root; the container itself gets a "
                      "user namespace of its own");
  }
  if (!rootless.empty() && rootless != "auto" && rootless != "false") {
    return make_error(Code::kInvalid,
                      concat({"--rootless: invalid value \"", rootless, "\"; use auto or false"}));
  }
  return context;
}

Result<policy::Policy> load_node_policy(const Context& context) {
  if (!context.policy_file.empty()) return policy::load_policy(context.policy_file);
  return policy::default_policy();
}

Result<Session> Session::open(const Context& context, Need need) {
  if (need == Need::kState) return Session(context, audit::Log::disabled());
  if (need == Need::kExplain) {
    Session session(context, audit::Log::disabled());
    session.policy_ = TRY(load_node_policy(context));
    return session;
  }
  if (need == Need::kHarden && context.systemd_cgroups) return no_systemd("--systemd-cgroup");
  Result<audit::Log> log = audit::Log::open(context.audit_file);
  if (!log.ok()) {
    if (need != Need::kStop) return std::move(log).error();
    context.journal.warning(
        concat({log.error().message(), "; going on: stopping a container is never refused"}));
    log = audit::Log::failed(context.audit_file, std::move(log).error());
  }
  Session session(context, std::move(log).value());
  if (need == Need::kHarden) session.policy_ = TRY(load_node_policy(context));
  return session;
}

container::Host Session::host() {
  container::Host host;
  host.root = context_->root;
  host.policy = &policy_;
  host.audit = &audit_;
  host.no_cgroups = context_->no_cgroups;
  host.warn = [journal = &context_->journal](std::string_view message) { journal->warning(message); };
  if (context_->journal.debugging()) {
    host.debug = [journal = &context_->journal](std::string_view message) { journal->debug(message); };
  }
  return host;
}

}  // namespace gabion::cli
