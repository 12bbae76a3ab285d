#include "oci/features.h"

#include <span>

#include "oci/names.h"
#include "oci/schema.h"

namespace gabion::oci {

namespace {

json::Value list(std::span<const std::string_view> words) {
  json::Value array = json::Value::array();
  for (std::string_view word : words) array.push(json::Value::string(std::string(word)));
  return array;
}

json::Value text(std::string_view value) { return json::Value::string(std::string(value)); }

json::Value enabled(bool value) {
  json::Value object = json::Value::object();
  object.add("enabled", json::Value::boolean(value));
  return object;
}

json::Value namespaces() {
  json::Value array = json::Value::array();
  for (const auto& [name, type] : kNamespaceNames) array.push(text(name));
  return array;
}

json::Value cgroup() {
  json::Value object = json::Value::object();
  object.add("v1", json::Value::boolean(true));
  object.add("v2", json::Value::boolean(true));
  object.add("systemd", json::Value::boolean(false));
  object.add("systemdUser", json::Value::boolean(false));
  object.add("rdma", json::Value::boolean(true));
  return object;
}

json::Value seccomp() {
  json::Value object = enabled(true);
  object.add("actions", list(names::kSeccompActions));
  object.add("operators", list(names::kSeccompOperators));
  object.add("archs", list(names::kSeccompArchitectures));
  object.add("knownFlags", list(names::kSeccompFlags));
  object.add("supportedFlags", list(names::kSeccompFlags));
  return object;
}

json::Value linux_features() {
  json::Value object = json::Value::object();
  object.add("namespaces", namespaces());
  object.add("capabilities", list(names::kCapabilities));
  object.add("cgroup", cgroup());
  object.add("seccomp", seccomp());
  object.add("apparmor", enabled(false));
  object.add("selinux", enabled(false));
  object.add("intelRdt", enabled(false));
  object.add("mountExtensions", json::Value::object()).add("idmap", enabled(true));
  object.add("netDevices", enabled(false));
  return object;
}

}  // namespace

json::Value features() {
  json::Value document = json::Value::object();
  document.add("ociVersionMin", text("1.0.0"));
  document.add("ociVersionMax", text("1.3.0"));
  document.add("hooks", list(names::kHooks));
  document.add("mountOptions", list(names::kMountOptions));
  document.add("linux", linux_features());
  document.add("annotations", json::Value::object()).add("dev.gabion.version", text(GABION_VERSION));
  document.add("potentiallyUnsafeConfigAnnotations", json::Value::array()).push(text("dev.gabion."));
  return document;
}

}  // namespace gabion::oci
