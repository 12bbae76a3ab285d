#include "container/lifecycle.h"

#include <sys/stat.h>

#include <optional>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "oci/reader.h"

namespace gabion::container {
namespace {

constexpr size_t kConfigLimit = size_t{16} << 20;

// Read here and not through getpwuid(3), which loads NSS modules: 0.3 ms and code of the host's
// choosing in a root process.
std::string user_name(uid_t uid) {
  if (uid == 0) return "root";
  std::string number = std::to_string(uid);
  const Result<std::string> text = read_file("/etc/passwd", size_t{1} << 20);
  if (!text.ok()) return number;
  for (const std::string_view line : split(*text, '\n')) {
    const std::vector<std::string_view> fields = split(line, ':');
    if (fields.size() > 2 && fields[2] == number) return std::string(fields[0]);
  }
  return number;
}

Result<bool> is_frozen(const State& state) {
  if (!has_cgroup(state)) return false;
  Result<bool> frozen = kernel::Cgroup::open(state.cgroup).frozen();
  // No freezer, or a group somebody else removed: not paused by us.
  if (!frozen.ok() && (frozen.error().code == Code::kNotFound || frozen.error().code == Code::kUnsupported)) {
    return false;
  }
  return frozen;
}

}  // namespace

Result<Live> inspect(const Store& store, const std::string& id, bool locked) {
  Live live;
  live.state = TRY(store.load(id));
  const State& state = live.state;
  if (state.init_pid > 0 && state.init_start_time > 0) {
    Result<Process> init = Process::open(state.init_pid, state.init_start_time);
    if (init.ok()) {
      live.init = std::move(init).value();
    } else if (init.error().code != Code::kNotFound) {
      return std::move(init).error();
    }
  }
  if (state.phase == ContainerStatus::kCreating) {
    bool creating = false;
    if (!locked) creating = TRY(store.is_locked(id));
    live.status = creating ? ContainerStatus::kCreating : ContainerStatus::kStopped;
    return live;
  }
  if (!live.init) return live;
  const bool frozen = TRY(is_frozen(state));
  live.status = frozen ? ContainerStatus::kPaused : state.phase;
  return live;
}

Info info_of(const Live& live, const Store& store) {
  Info info;
  info.id = live.state.id;
  info.oci_version = live.state.oci_version;
  info.status = live.status;
  info.pid = live.init && live.status != ContainerStatus::kStopped ? live.init->pid() : 0;
  info.bundle = live.state.bundle;
  info.rootfs = live.state.rootfs;
  info.created = live.state.created;
  info.annotations = live.state.annotations;
  struct stat directory {};
  if (::stat(store.directory(live.state.id).c_str(), &directory) == 0)
    info.owner = user_name(directory.st_uid);
  return info;
}

audit::Record audit_record(const Host& host, std::string event, const State& state) {
  audit::Record record;
  record.event = std::move(event);
  record.outcome = "allow";
  record.container = state.id;
  record.bundle = state.bundle;
  // Operations that judge nothing load no policy: what holds is what the container was made with.
  const bool judged = !host.policy->name.empty();
  record.policy = judged ? host.policy->name : state.policy;
  record.policy_sha256 = judged ? host.policy->sha256 : state.policy_sha256;
  return record;
}

Status append_audit(const Host& host, const audit::Record& record) {
  TRY_AT(host.audit->append(record), concat({record.event, " is not done, because it cannot be audited"}));
  return ok_status();
}

void append_audit_or_debug(const Host& host, const audit::Record& record) {
  const Status written = host.audit->append(record);
  if (!written.ok())
    debug(host, concat({record.event, " could not be audited: ", written.error().message()}));
}

Status note(const Host& host, const std::string& id, const std::string& event, const std::string& detail) {
  const Store store = TRY(Store::open(host.root));
  audit::Record record = audit_record(host, event, TRY(store.load(id)));
  record.detail = detail;
  return append_audit(host, record);
}

Error refuse(const Host& host, audit::Record record, const std::vector<policy::Decision>& decisions) {
  std::string message = policy::refusal_message(decisions);
  record.detail = record.event;
  record.event = "policy.deny";
  record.outcome = "refuse";
  record.reason = message;
  record.decisions = decisions;
  // Refused either way: a log that cannot be written does not turn a no into a yes.
  append_audit_or_debug(host, record);
  return make_error(Code::kRefused, std::move(message));
}

Error record_failure(const Host& host, const audit::Record& announced, Error error) {
  if (error.code == Code::kRefused) return error;
  audit::Record record = announced;
  record.outcome = "error";
  record.reason = error.message();
  record.decisions.clear();  // told by the first record
  append_audit_or_debug(host, record);
  return error;
}

void debug(const Host& host, std::string_view text) {
  if (host.debug) host.debug(text);
}

json::Value oci_state(const Info& info) {
  json::Value state = json::Value::object();
  state.set("ociVersion", json::Value::string(info.oci_version));
  state.set("id", json::Value::string(info.id));
  state.set("pid", json::Value::integer(info.pid));
  state.set("status", json::Value::string(std::string(status_name(info.status))));
  state.set("bundle", json::Value::string(info.bundle));
  if (!info.annotations.empty()) {
    json::Value annotations = json::Value::object();
    for (const auto& [key, value] : info.annotations) annotations.set(key, json::Value::string(value));
    state.set("annotations", std::move(annotations));
  }
  return state;
}

Result<Info> info(const Host& host, const std::string& id) {
  const Store store = TRY(Store::open(host.root));
  const Live live = TRY(inspect(store, id, false));
  return info_of(live, store);
}

Result<std::vector<Info>> list(const Host& host) {
  const Store store = TRY(Store::open(host.root));
  const std::vector<std::string> ids = TRY(store.ids());
  std::vector<Info> infos;
  for (const std::string& id : ids) {
    const Result<Live> live = inspect(store, id, false);
    if (live.ok()) {
      infos.push_back(info_of(*live, store));
    } else if (live.error().code != Code::kNotFound) {  // deleted since
      return live.error();
    }
  }
  return infos;
}

Result<std::vector<pid_t>> processes(const Host& host, const std::string& id) {
  const Store store = TRY(Store::open(host.root));
  const Live live = TRY(inspect(store, id, false));
  if (has_cgroup(live.state)) return kernel::Cgroup::open(live.state.cgroup).processes();
  if (live.status == ContainerStatus::kStopped) return std::vector<pid_t>();
  return make_error(Code::kUnsupported, concat({"container ", id,
                                                " was created with cgroups disabled: its processes cannot be "
                                                "listed"}));
}

Result<oci::Spec> config(const Host& host, const std::string& id) {
  const Store store = TRY(Store::open(host.root));
  TRY(store.load(id));
  const Result<std::string> text = store.read_entry(id, "config.json", kConfigLimit);
  if (!text.ok() && text.error().code == Code::kNotFound) {
    return make_error(Code::kWrongState, concat({"container ", id, " was never fully created; delete it"}));
  }
  if (!text.ok()) return text.error();
  return oci::parse_spec(*text, "config.json");
}

Result<kernel::Cgroup> open_cgroup(const Host& host, const std::string& id) {
  const Store store = TRY(Store::open(host.root));
  State state = TRY(store.load(id));
  if (!has_cgroup(state)) {
    return make_error(Code::kUnsupported, concat({"container ", id,
                                                  " has no cgroup: it was created with "
                                                  "cgroups disabled"}));
  }
  return kernel::Cgroup::open(std::move(state.cgroup));
}

}  // namespace gabion::container
