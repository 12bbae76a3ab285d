#include "policy/fields.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/text.h"
#include "oci/names.h"
#include "policy/values.h"

namespace gabion::policy {
namespace {

using json::Value;

template <typename T>
struct Field {
  std::string_view key;
  Status (*read)(const Value&, std::string_view where, T&);
};

// Runs the row of every member. An unknown key is an error, so that a misspelt control cannot be
// taken for one that is in force.
template <typename T, size_t N>
Status read_object(const Value& object, std::string_view where, const std::array<Field<T>, N>& fields,
                   T& into) {
  TRY(expect(object, Value::Kind::kObject, where));
  for (const auto& [key, value] : object.members()) {
    const auto row =
        std::find_if(fields.begin(), fields.end(), [&](const Field<T>& field) { return field.key == key; });
    if (row == fields.end()) {
      std::array<std::string_view, N> known;
      std::transform(fields.begin(), fields.end(), known.begin(),
                     [](const Field<T>& field) { return field.key; });
      return unknown_word(where, "key", key, known);
    }
    TRY(row->read(value, at_key(where, key), into));
  }
  return ok_status();
}

template <auto Member, typename T>
Status read_bool(const Value& value, std::string_view where, T& into) {
  into.*Member = TRY(to_bool(value, where));
  return ok_status();
}

template <auto Member, typename T>
Status read_text(const Value& value, std::string_view where, T& into) {
  into.*Member = TRY(to_text(value, where));
  return ok_status();
}

template <auto Member, typename T>
Status read_list(const Value& value, std::string_view where, T& into) {
  into.*Member = TRY(to_list(value, where, into.*Member));
  return ok_status();
}

template <auto Member, typename T>
Status read_paths(const Value& value, std::string_view where, T& into) {
  into.*Member = TRY(to_list(value, where, into.*Member));
  return check_paths(into.*Member, where);
}

template <auto Member, typename T>
Status read_size(const Value& value, std::string_view where, T& into) {
  into.*Member = TRY(to_bytes(value, where));
  return ok_status();
}

Status check_words(const std::vector<std::string>& words, std::span<const std::string_view> known,
                   std::string_view kind, std::string_view where) {
  for (const std::string& word : words) {
    if (std::find(known.begin(), known.end(), word) == known.end())
      return unknown_word(where, kind, word, known);
  }
  return ok_status();
}

template <auto Member, typename T>
Status read_capabilities(const Value& value, std::string_view where, T& into) {
  into.*Member = TRY(to_list(value, where, into.*Member));
  return check_words(into.*Member, oci::names::kCapabilities, "capability", where);
}

// ---- rules

Result<std::pair<Rule, Mode>> read_rule(std::string_view name, const Value& value, std::string_view where) {
  const std::optional<Rule> rule = rule_from_name(name);
  if (!rule || *rule == Rule::kException || *rule == Rule::kSeccompPinned) {
    std::array<std::string_view, kRuleCount> known;
    for (size_t i = 0; i < kRuleCount; ++i) known[i] = rule_name(static_cast<Rule>(i));
    return unknown_word(where, "rule", name, known);
  }
  const std::string place = at_key(where, name);
  const std::string word = TRY(to_text(value, place));
  const std::optional<Mode> mode = mode_from_name(word);
  if (!mode) return invalid(place, "expected \"rewrite\", \"refuse\" or \"warn\"");
  return std::pair{*rule, *mode};
}

Status read_rules(const Value& value, std::string_view where, Policy& policy) {
  TRY(expect(value, Value::Kind::kObject, where));
  // "*" comes first whatever its place: JSON objects have no order.
  if (const Value* all = value.find("*")) {
    const std::string place = at_key(where, "*");
    const std::optional<Mode> mode = mode_from_name(TRY(to_text(*all, place)));
    if (!mode) return invalid(place, "expected \"rewrite\", \"refuse\" or \"warn\"");
    policy.rules.fill(*mode);
  }
  for (const auto& [name, item] : value.members()) {
    if (name == "*") continue;
    const std::pair<Rule, Mode> entry = TRY(read_rule(name, item, where));
    policy.set_mode(entry.first, entry.second);
  }
  return ok_status();
}

// ---- ids

template <uint32_t IdRange::*Member>
Status read_id(const Value& value, std::string_view where, IdRange& ids) {
  ids.*Member =
      static_cast<uint32_t>(TRY(to_unsigned(value, 1, std::numeric_limits<uint32_t>::max() - 1, where)));
  return ok_status();
}

constexpr std::array<Field<IdRange>, 3> kIdFields = {{{"base", read_id<&IdRange::base>},
                                                      {"count", read_id<&IdRange::count>},
                                                      {"size", read_id<&IdRange::size>}}};

Status read_ids(const Value& value, std::string_view where, Policy& policy) {
  TRY(read_object(value, where, kIdFields, policy.ids));
  const IdRange& ids = policy.ids;
  if (uint64_t{ids.base} + ids.count > std::numeric_limits<uint32_t>::max()) {
    return invalid(where, "base + count must stay below 4294967295, which is no id");
  }
  if (ids.size > ids.count) return invalid(where, "count has no room for one range of size ids");
  return ok_status();
}

// ---- devices

Status read_device_type(const Value& value, std::string_view where, DeviceGrant& device) {
  device.type = TRY(to_text(value, where));
  return device.type == "c" || device.type == "b" ? ok_status() : invalid(where, "expected \"c\" or \"b\"");
}

Status read_access(const Value& value, std::string_view where, DeviceGrant& device) {
  device.access = TRY(to_text(value, where));
  const bool known = !device.access.empty() && device.access.find_first_not_of("rwm") == std::string::npos;
  return known ? ok_status() : invalid(where, "expected some of \"rwm\"");
}

template <int64_t DeviceGrant::*Member>
Status read_device_number(const Value& value, std::string_view where, DeviceGrant& device) {
  constexpr uint64_t kMaxMinor = (1U << 20) - 1;  // MINORBITS of the kernel
  device.*Member = static_cast<int64_t>(TRY(to_unsigned(value, 0, kMaxMinor, where)));
  return ok_status();
}

constexpr std::array<Field<DeviceGrant>, 5> kDeviceFields = {
    {{"path", read_text<&DeviceGrant::path, DeviceGrant>},
     {"type", read_device_type},
     {"major", read_device_number<&DeviceGrant::major>},
     {"minor", read_device_number<&DeviceGrant::minor>},
     {"access", read_access}}};

Result<std::vector<DeviceGrant>> to_devices(const Value& value, std::string_view where) {
  TRY(expect(value, Value::Kind::kArray, where));
  std::vector<DeviceGrant> devices;
  for (size_t i = 0; i < value.items().size(); ++i) {
    const Value& item = value.items()[i];
    const std::string place = at_index(where, i);
    DeviceGrant device;
    TRY(read_object(item, place, kDeviceFields, device));
    for (const std::string_view key : {"path", "type", "major", "minor"}) {
      if (item.find(key) == nullptr) return invalid(place, concat({"\"", key, "\" is missing"}));
    }
    TRY(check_paths({device.path}, at_key(place, "path")));
    devices.push_back(std::move(device));
  }
  return devices;
}

template <typename T>
Status read_devices(const Value& value, std::string_view where, T& into) {
  into.devices = TRY(to_devices(value, where));
  return ok_status();
}

template <typename T>
Status read_seccomp_files(const Value& value, std::string_view where, T& into) {
  into.seccomp_filters = TRY(to_seccomp_files(value, where));
  return ok_status();
}

// ---- hooks

Status read_hook_kinds(const Value& value, std::string_view where, HookGrant& hook) {
  hook.kinds = TRY(to_texts(value, where));
  return check_words(hook.kinds, oci::names::kHooks, "kind of hook", where);
}

Status read_sha256(const Value& value, std::string_view where, HookGrant& hook) {
  hook.sha256 = TRY(to_sha256(value, where));
  return ok_status();
}

constexpr std::array<Field<HookGrant>, 4> kHookFields = {{{"paths", read_paths<&HookGrant::paths, HookGrant>},
                                                          {"args", read_list<&HookGrant::args, HookGrant>},
                                                          {"kinds", read_hook_kinds},
                                                          {"sha256", read_sha256}}};

Status read_hooks(const Value& value, std::string_view where, Policy& policy) {
  TRY(expect(value, Value::Kind::kArray, where));
  std::vector<HookGrant> hooks;
  for (size_t i = 0; i < value.items().size(); ++i) {
    const Value& item = value.items()[i];
    const std::string place = at_index(where, i);
    if (i == 0 && item.is(Value::Kind::kString) && item.text() == "...") {
      hooks = policy.hooks;
      continue;
    }
    HookGrant hook;
    TRY(read_object(item, place, kHookFields, hook));
    if (hook.paths.empty()) return invalid(place, "\"paths\" is missing");
    hooks.push_back(std::move(hook));
  }
  policy.hooks = std::move(hooks);
  return ok_status();
}

// ---- exceptions

constexpr std::array<Field<ExceptionMatch>, 6> kMatchFields = {
    {{"engine", read_text<&ExceptionMatch::engine, ExceptionMatch>},
     {"bundle", read_text<&ExceptionMatch::bundle, ExceptionMatch>},
     {"kubernetesNamespace", read_text<&ExceptionMatch::kubernetes_namespace, ExceptionMatch>},
     {"kubernetesPod", read_text<&ExceptionMatch::kubernetes_pod, ExceptionMatch>},
     {"kubernetesContainer", read_text<&ExceptionMatch::kubernetes_container, ExceptionMatch>},
     {"kubernetesImage", read_text<&ExceptionMatch::kubernetes_image, ExceptionMatch>}}};

Status read_match(const Value& value, std::string_view where, Exception& exception) {
  TRY(read_object(value, where, kMatchFields, exception.match));
  if (exception.match == ExceptionMatch{}) return invalid(where, "an exception must match on something");
  return ok_status();
}

Status read_exception_rules(const Value& value, std::string_view where, Exception& exception) {
  TRY(expect(value, Value::Kind::kObject, where));
  for (const auto& [name, item] : value.members()) {
    exception.rules.push_back(TRY(read_rule(name, item, where)));
  }
  return ok_status();
}

constexpr std::array<Field<Exception>, 9> kExceptionFields = {
    {{"name", read_text<&Exception::name, Exception>},
     {"reason", read_text<&Exception::reason, Exception>},
     {"match", read_match},
     {"rules", read_exception_rules},
     {"hostNetwork", read_bool<&Exception::host_network, Exception>},
     {"capabilities", read_capabilities<&Exception::capabilities, Exception>},
     {"allowedHostPaths", read_paths<&Exception::allowed_host_paths, Exception>},
     {"devices", read_devices<Exception>},
     {"seccompFilters", read_seccomp_files<Exception>}}};

Status read_exceptions(const Value& value, std::string_view where, Policy& policy) {
  TRY(expect(value, Value::Kind::kArray, where));
  std::vector<Exception> exceptions;
  for (size_t i = 0; i < value.items().size(); ++i) {
    const std::string place = at_index(where, i);
    Exception exception;
    TRY(read_object(value.items()[i], place, kExceptionFields, exception));
    if (exception.name.empty()) return invalid(place, "\"name\" is missing");
    if (exception.reason.empty())
      return invalid(place, "\"reason\" is missing: say why, for whoever reviews it");
    if (exception.match == ExceptionMatch{}) return invalid(place, "\"match\" is missing");
    for (const Exception& other : exceptions) {  // a container remembers its exceptions by name
      if (other.name == exception.name)
        return invalid(place, concat({"there is another exception \"", exception.name, "\""}));
    }
    exceptions.push_back(std::move(exception));
  }
  policy.exceptions = std::move(exceptions);
  return ok_status();
}

// ---- the rest

Status read_joins(const Value& value, std::string_view where, Policy& policy) {
  constexpr std::array<std::string_view, 8> kTypes = {"pid", "network", "mount",  "ipc",
                                                      "uts", "user",    "cgroup", "time"};
  policy.join_namespaces = TRY(to_list(value, where, policy.join_namespaces));
  return check_words(policy.join_namespaces, kTypes, "type of namespace", where);
}

Status read_pids(const Value& value, std::string_view where, Policy& policy) {
  constexpr uint64_t kPidMax = 4194304;  // PID_MAX_LIMIT on 64 bits
  policy.pids = TRY(to_unsigned(value, 0, kPidMax, where));
  return ok_status();
}

Status read_memory(const Value& value, std::string_view where, Policy& policy) {
  policy.memory = TRY(to_memory(value, where));
  return ok_status();
}

Result<Answer> read_answer(const Value& value, std::string_view where) {
  const std::string word = TRY(to_text(value, where));
  const std::optional<Answer> answer = answer_from_name(word);
  if (!answer) return invalid(where, "expected \"off\", \"log\", \"freeze\" or \"kill\"");
  return *answer;
}

Status read_violations(const Value& value, std::string_view where, Policy& policy) {
  TRY(expect(value, Value::Kind::kObject, where));
  if (const Value* all = value.find("*")) {  // first, as in the rules
    const Answer answer = TRY(read_answer(*all, at_key(where, "*")));
    policy.violations.set_all(answer);
  }
  for (const auto& [name, item] : value.members()) {
    if (name == "*") continue;
    const std::optional<size_t> kind = violation_kind(name);
    if (!kind) return unknown_word(where, "kind of violation", name, kViolationKinds);
    const Answer answer = TRY(read_answer(item, at_key(where, name)));
    policy.violations.set(*kind, answer);
  }
  return ok_status();
}

Status skip(const Value&, std::string_view, Policy&) { return ok_status(); }

constexpr std::array<Field<Policy>, 33> kFields = {
    {{"name", skip},
     {"extends", skip},
     {"enforce", read_bool<&Policy::enforce, Policy>},
     {"rules", read_rules},
     {"ids", read_ids},
     {"userNamespace", read_bool<&Policy::user_namespace, Policy>},
     {"sealNamespaces", read_bool<&Policy::seal_namespaces, Policy>},
     {"forbidNestedNamespaces", read_bool<&Policy::forbid_nested_namespaces, Policy>},
     {"noMemfdExec", read_bool<&Policy::no_memfd_exec, Policy>},
     {"privateStdio", read_bool<&Policy::private_stdio, Policy>},
     {"landlock", read_bool<&Policy::landlock, Policy>},
     {"memoryDenyWriteExecute", read_bool<&Policy::memory_deny_write_execute, Policy>},
     {"seccompProfile", read_text<&Policy::seccomp_profile, Policy>},
     {"violations", read_violations},
     {"seccompFilters", read_seccomp_files<Policy>},
     {"joinNamespaces", read_joins},
     {"capabilities", read_capabilities<&Policy::capabilities, Policy>},
     {"volatilePaths", read_paths<&Policy::volatile_paths, Policy>},
     {"volatileSize", read_size<&Policy::volatile_size, Policy>},
     {"tmpfsSize", read_size<&Policy::tmpfs_size, Policy>},
     {"allowedHostPaths", read_paths<&Policy::allowed_host_paths, Policy>},
     {"engineStores", read_paths<&Policy::engine_stores, Policy>},
     {"trustedExecutables", read_paths<&Policy::trusted_executables, Policy>},
     {"maskedPaths", read_paths<&Policy::masked_paths, Policy>},
     {"readonlyPaths", read_paths<&Policy::readonly_paths, Policy>},
     {"procSubsetPid", read_bool<&Policy::proc_subset_pid, Policy>},
     {"devices", read_devices<Policy>},
     {"sysctls", read_list<&Policy::sysctls, Policy>},
     {"pids", read_pids},
     {"memory", read_memory},
     {"exec", read_bool<&Policy::exec, Policy>},
     {"hooks", read_hooks},
     {"exceptions", read_exceptions}}};

}  // namespace

Status read_fields(const Value& object, std::string_view where, Policy& policy) {
  return read_object(object, where, kFields, policy);
}

}  // namespace gabion::policy
