#include "container/state.h"

#include <limits>

#include "base/text.h"
#include "oci/reader.h"
#include "oci/writer.h"

namespace gabion::container {
namespace {

using json::Value;

constexpr uint64_t kVersion = 1;  // of this file's layout

Error damaged(std::string_view key) {
  return make_error(Code::kInvalid, concat({"state.json: ", key, " is missing or wrong"}));
}

// --- reading: every key must be there, with the type the writer gave it --------------------------

Result<std::string> text_of(const Value& object, std::string_view key) {
  const Value* value = object.find(key);
  if (value == nullptr || !value->is(Value::Kind::kString)) return damaged(key);
  return value->text();
}

Result<bool> bool_of(const Value& object, std::string_view key) {
  const Value* value = object.find(key);
  if (value == nullptr || !value->is(Value::Kind::kBool)) return damaged(key);
  return value->as_bool();
}

Result<uint64_t> number_of(const Value& object, std::string_view key, uint64_t max) {
  const Value* value = object.find(key);
  if (value == nullptr || !value->is(Value::Kind::kNumber)) return damaged(key);
  const Result<uint64_t> number = value->as_uint64();
  if (!number.ok() || *number > max) return damaged(key);
  return *number;
}

// An object of strings.
Result<std::vector<std::pair<std::string, std::string>>> pairs_of(const Value& object, std::string_view key) {
  const Value* value = object.find(key);
  if (value == nullptr || !value->is(Value::Kind::kObject)) return damaged(key);
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const json::Member& member : value->members()) {
    if (!member.second.is(Value::Kind::kString)) return damaged(key);
    pairs.emplace_back(member.first, member.second.text());
  }
  return pairs;
}

Value write_pairs(const std::vector<std::pair<std::string, std::string>>& pairs) {
  Value object = Value::object();
  for (const auto& [key, value] : pairs) object.set(key, Value::string(value));
  return object;
}

// --- pinned filters, in config.json's own form -----------------------------------------------------

Value write_filters(const std::vector<policy::PinnedFilter>& filters) {
  Value list = Value::array();
  for (const policy::PinnedFilter& pinned : filters) {
    oci::Spec carrier;
    carrier.oci_version = "1.0.0";
    carrier.linux_.seccomp = pinned.filter;
    const Value document = oci::write_spec(carrier);
    const Value* section = document.find("linux");
    const Value* written = section == nullptr ? nullptr : section->find("seccomp");
    Value entry = Value::object();
    entry.set("file", Value::string(pinned.file));
    entry.set("sha256", Value::string(pinned.sha256));
    entry.set("seccomp", written == nullptr ? Value::object() : *written);
    list.push(std::move(entry));
  }
  return list;
}

Result<std::vector<policy::PinnedFilter>> read_filters(const Value& object) {
  constexpr std::string_view kKey = "seccompFilters";
  const Value* list = object.find(kKey);
  if (list == nullptr || !list->is(Value::Kind::kArray)) return damaged(kKey);
  std::vector<policy::PinnedFilter> filters;
  for (const Value& entry : list->items()) {
    policy::PinnedFilter pinned;
    pinned.file = TRY(text_of(entry, "file"));
    pinned.sha256 = TRY(text_of(entry, "sha256"));
    const Value* written = entry.find("seccomp");
    if (written == nullptr) return damaged(kKey);
    Value section = Value::object();
    section.set("seccomp", *written);
    Value carrier = Value::object();
    carrier.set("ociVersion", Value::string("1.0.0"));
    carrier.set("linux", std::move(section));
    oci::Spec spec = TRY_AT(oci::read_spec(carrier), "state.json");
    if (!spec.linux_.seccomp) return damaged(kKey);
    pinned.filter = std::move(*spec.linux_.seccomp);
    filters.push_back(std::move(pinned));
  }
  return filters;
}

// --- controls ------------------------------------------------------------------------------------

struct Switch {
  const char* key;
  bool policy::Controls::*member;
};
constexpr Switch kSwitches[] = {
    {"ownUserNamespace", &policy::Controls::own_user_namespace},
    {"sealNamespaces", &policy::Controls::seal_namespaces},
    {"forbidNestedNamespaces", &policy::Controls::forbid_nested_namespaces},
    {"noMemfdExec", &policy::Controls::no_memfd_exec},
    {"coreDumpsOff", &policy::Controls::core_dumps_off},
    {"unprivilegedLowPorts", &policy::Controls::unprivileged_low_ports},
    {"unprivilegedPing", &policy::Controls::unprivileged_ping},
    {"privateStdio", &policy::Controls::private_stdio},
    {"landlock", &policy::Controls::landlock},
    {"memoryDenyWriteExecute", &policy::Controls::memory_deny_write_execute},
};

Value write_controls(const policy::Controls& controls) {
  Value object = Value::object();
  for (const Switch& item : kSwitches) object.set(item.key, Value::boolean(controls.*item.member));
  object.set("seccompProfile", Value::string(controls.seccomp_profile));
  Value violations = Value::object();
  for (const std::string_view kind : policy::kViolationKinds) {
    const auto answer = static_cast<size_t>(controls.violations.answer(kind));
    if (answer != 0) violations.set(std::string(kind), Value::string(std::string(policy::kAnswers[answer])));
  }
  object.set("violations", std::move(violations));
  object.set("seccompFilters", write_filters(controls.seccomp_filters));
  Value paths = Value::array();
  for (const policy::VolatilePath& path : controls.volatile_paths) paths.push(Value::string(path.path));
  object.set("volatilePaths", std::move(paths));
  object.set("volatileBytes", Value::unsigned_integer(controls.volatile_bytes));
  object.set("tmpfsBytes", Value::unsigned_integer(controls.tmpfs_bytes));
  Value exceptions = Value::array();
  for (const policy::MatchedException& exception : controls.exceptions) {
    Value entry = Value::object();
    entry.set("name", Value::string(exception.name));
    entry.set("sha256", Value::string(exception.sha256));
    exceptions.push(std::move(entry));
  }
  object.set("exceptions", std::move(exceptions));
  return object;
}

Result<policy::Controls> read_controls(const Value& document) {
  const Value* object = document.find("controls");
  if (object == nullptr || !object->is(Value::Kind::kObject)) return damaged("controls");
  policy::Controls controls;
  for (const Switch& item : kSwitches) controls.*item.member = TRY(bool_of(*object, item.key));
  controls.seccomp_profile = TRY(text_of(*object, "seccompProfile"));
  for (const auto& [kind, answer] : TRY(pairs_of(*object, "violations"))) {
    const std::optional<size_t> index = policy::violation_kind(kind);
    const std::optional<policy::Answer> known = policy::answer_from_name(answer);
    if (!index || !known) return damaged("controls.violations");
    controls.violations.set(*index, *known);
  }
  controls.seccomp_filters = TRY(read_filters(*object));
  const Value* paths = object->find("volatilePaths");
  if (paths == nullptr || !paths->is(Value::Kind::kArray)) return damaged("volatilePaths");
  for (const Value& path : paths->items()) {
    if (!path.is(Value::Kind::kString)) return damaged("volatilePaths");
    controls.volatile_paths.push_back({path.text()});
  }
  controls.volatile_bytes = TRY(number_of(*object, "volatileBytes", UINT64_MAX));
  controls.tmpfs_bytes = TRY(number_of(*object, "tmpfsBytes", UINT64_MAX));
  const Value* exceptions = object->find("exceptions");
  if (exceptions == nullptr || !exceptions->is(Value::Kind::kArray)) return damaged("exceptions");
  for (const Value& entry : exceptions->items()) {
    policy::MatchedException exception;
    exception.name = TRY(text_of(entry, "name"));
    exception.sha256 = TRY(text_of(entry, "sha256"));
    controls.exceptions.push_back(std::move(exception));
  }
  return controls;
}

// --- places for Landlock ----------------------------------------------------------------------------

Value write_places(const std::vector<LandlockPlace>& places) {
  Value list = Value::array();
  for (const LandlockPlace& place : places) {
    Value entry = Value::object();
    entry.set("path", Value::string(place.path));
    entry.set("access", Value::unsigned_integer(place.access));
    entry.set("mounted", Value::boolean(place.mounted));
    entry.set("mount", Value::unsigned_integer(place.mount));
    list.push(std::move(entry));
  }
  return list;
}

Result<std::vector<LandlockPlace>> read_places(const Value& document) {
  const Value* list = document.find("landlock");
  if (list == nullptr || !list->is(Value::Kind::kArray)) return damaged("landlock");
  std::vector<LandlockPlace> places;
  for (const Value& entry : list->items()) {
    LandlockPlace place;
    place.path = TRY(text_of(entry, "path"));
    place.access = TRY(number_of(entry, "access", kernel::landlock::kAll));
    place.mounted = TRY(bool_of(entry, "mounted"));
    place.mount = TRY(number_of(entry, "mount", UINT64_MAX));
    // 0 would be looked up through links.
    if (place.mount == 0) return damaged("landlock");
    places.push_back(std::move(place));
  }
  return places;
}

// --- hooks, in config.json's own form ------------------------------------------------------------

Value write_hooks(const oci::Hooks& hooks) {
  oci::Spec carrier;
  carrier.oci_version = "1.0.0";
  carrier.hooks = hooks;
  const Value document = oci::write_spec(carrier);
  const Value* written = document.find("hooks");
  return written == nullptr ? Value::object() : *written;
}

Result<oci::Hooks> read_hooks(const Value& document) {
  const Value* hooks = document.find("hooks");
  if (hooks == nullptr) return damaged("hooks");
  Value carrier = Value::object();
  carrier.set("ociVersion", Value::string("1.0.0"));
  carrier.set("hooks", *hooks);
  oci::Spec spec = TRY_AT(oci::read_spec(carrier), "state.json");
  return std::move(spec.hooks);
}

constexpr ContainerStatus kPhases[] = {ContainerStatus::kCreating, ContainerStatus::kCreated,
                                       ContainerStatus::kRunning};

}  // namespace

std::string_view status_name(ContainerStatus status) {
  switch (status) {
    case ContainerStatus::kCreating:
      return "creating";
    case ContainerStatus::kCreated:
      return "created";
    case ContainerStatus::kRunning:
      return "running";
    case ContainerStatus::kPaused:
      return "paused";
    case ContainerStatus::kStopped:
      return "stopped";
  }
  return "stopped";
}

Value write_state(const State& state) {
  Value document = Value::object();
  document.set("version", Value::unsigned_integer(kVersion));
  document.set("id", Value::string(state.id));
  document.set("ociVersion", Value::string(state.oci_version));
  document.set("bundle", Value::string(state.bundle));
  document.set("rootfs", Value::string(state.rootfs));
  document.set("created", Value::string(state.created));
  document.set("phase", Value::string(std::string(status_name(state.phase))));
  document.set("initPid", Value::integer(state.init_pid));
  document.set("initStartTime", Value::unsigned_integer(state.init_start_time));
  document.set("monitorPid", Value::integer(state.monitor.pid));
  document.set("monitorStartTime", Value::unsigned_integer(state.monitor.start_time));
  document.set("cgroup", write_pairs(state.cgroup.directories));
  document.set("idBase", Value::unsigned_integer(state.id_base));
  document.set("idSize", Value::unsigned_integer(state.id_size));
  document.set("recorded", Value::boolean(state.recorded));
  document.set("ownPidNamespace", Value::boolean(state.own_pid_namespace));
  document.set("policy", Value::string(state.policy));
  document.set("policySha256", Value::string(state.policy_sha256));
  document.set("controls", write_controls(state.controls));
  document.set("landlock", write_places(state.landlock));
  document.set("annotations", write_pairs(state.annotations));
  document.set("hooks", write_hooks(state.hooks));
  return document;
}

Result<State> read_state(const Value& document) {
  const uint64_t version = TRY(number_of(document, "version", UINT64_MAX));
  if (version != kVersion) return damaged("version");
  State state;
  state.id = TRY(text_of(document, "id"));
  state.oci_version = TRY(text_of(document, "ociVersion"));
  state.bundle = TRY(text_of(document, "bundle"));
  state.rootfs = TRY(text_of(document, "rootfs"));
  state.created = TRY(text_of(document, "created"));
  const std::string phase = TRY(text_of(document, "phase"));
  bool known = false;
  for (const ContainerStatus candidate : kPhases) {
    if (status_name(candidate) != phase) continue;
    state.phase = candidate;
    known = true;
  }
  if (!known) return damaged("phase");
  constexpr uint64_t kMaxPid = std::numeric_limits<pid_t>::max();
  const uint64_t pid = TRY(number_of(document, "initPid", kMaxPid));
  state.init_pid = static_cast<pid_t>(pid);
  state.init_start_time = TRY(number_of(document, "initStartTime", UINT64_MAX));
  const uint64_t monitor = TRY(number_of(document, "monitorPid", kMaxPid));
  state.monitor.pid = static_cast<pid_t>(monitor);
  state.monitor.start_time = TRY(number_of(document, "monitorStartTime", UINT64_MAX));
  state.cgroup.directories = TRY(pairs_of(document, "cgroup"));
  const uint64_t base = TRY(number_of(document, "idBase", UINT32_MAX));
  state.id_base = static_cast<uint32_t>(base);
  const uint64_t size = TRY(number_of(document, "idSize", UINT32_MAX));
  state.id_size = static_cast<uint32_t>(size);
  state.recorded = TRY(bool_of(document, "recorded"));
  state.own_pid_namespace = TRY(bool_of(document, "ownPidNamespace"));
  state.policy = TRY(text_of(document, "policy"));
  state.policy_sha256 = TRY(text_of(document, "policySha256"));
  state.controls = TRY(read_controls(document));
  state.landlock = TRY(read_places(document));
  state.annotations = TRY(pairs_of(document, "annotations"));
  state.hooks = TRY(read_hooks(document));
  return state;
}

}  // namespace gabion::container
