// What a policy grants beyond its tier: devices, hooks, exceptions.
#include "base/hash.h"
#include "base/text.h"
#include "policy/field_readers.h"

namespace gabion::policy {
namespace {

using json::Value;

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

// ---- hooks

Status read_hook_kinds(const Value& value, std::string_view where, HookGrant& hook) {
  hook.kinds = TRY(to_texts(value, where));
  return check_words(hook.kinds, oci::names::kHooks, "kind of hook", where);
}

constexpr std::array<Field<HookGrant>, 4> kHookFields = {
    {{"paths", read_paths<&HookGrant::paths, HookGrant>},
     {"args", read_list<&HookGrant::args, HookGrant>},
     {"kinds", read_hook_kinds},
     {"sha256", read_sha256<&HookGrant::sha256, HookGrant>}}};

// ---- files of the node's own: seccomp profiles, loggers

template <typename T>
Status read_file_path(const Value& value, std::string_view where, T& into) {
  into.file = TRY(to_text(value, where));
  return check_paths({into.file}, where);
}

constexpr std::array<Field<LoggerGrant>, 3> kLoggerFields = {
    {{"file", read_file_path<LoggerGrant>},
     {"args", read_list<&LoggerGrant::args, LoggerGrant>},
     {"sha256", read_sha256<&LoggerGrant::sha256, LoggerGrant>}}};

constexpr std::array<Field<PinnedFile>, 2> kPinnedFileFields = {
    {{"file", read_file_path<PinnedFile>}, {"sha256", read_sha256<&PinnedFile::sha256, PinnedFile>}}};

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

}  // namespace

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

template <typename T, size_t kFields>
Result<std::vector<T>> to_files(const Value& value, std::string_view where,
                                const std::array<Field<T>, kFields>& fields) {
  TRY(expect(value, Value::Kind::kArray, where));
  std::vector<T> files;
  for (size_t i = 0; i < value.items().size(); ++i) {
    const std::string place = at_index(where, i);
    T file;
    TRY(read_object(value.items()[i], place, fields, file));
    if (file.file.empty()) return invalid(place, "\"file\" is missing");
    files.push_back(std::move(file));
  }
  return files;
}

Result<std::vector<PinnedFile>> to_pinned_files(const Value& value, std::string_view where) {
  return to_files(value, where, kPinnedFileFields);
}

Status read_loggers(const Value& value, std::string_view where, Policy& policy) {
  policy.loggers = TRY(to_files(value, where, kLoggerFields));
  return ok_status();
}

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
    for (const Exception& other : exceptions) {  // the audit log tells them by name
      if (other.name == exception.name)
        return invalid(place, concat({"there is another exception \"", exception.name, "\""}));
    }
    exception.sha256 = sha256_hex(json::write(value.items()[i]));
    exceptions.push_back(std::move(exception));
  }
  policy.exceptions = std::move(exceptions);
  return ok_status();
}

}  // namespace gabion::policy
