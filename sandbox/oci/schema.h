// The field tables: which JSON key holds which member, written once for the reader and the writer,
// so that the two cannot drift apart. `fields(visitor, object)` calls, in the specification's order,
//   visitor.field(key, member)     absent when empty or false
//   visitor.always(key, member)    written whatever its value: the specification requires it
//   visitor.wrapped(key, inner, member)   {"key": {"inner": member}}
//   visitor.presence(key, flag)    true when the key is there at all
#pragma once

#include <array>
#include <concepts>
#include <string_view>
#include <type_traits>
#include <utility>

#include "oci/spec.h"

namespace gabion::oci {

// `fields` takes T from the reader and const T from the writer.
template <typename S, typename T>
concept Is = std::same_as<std::remove_const_t<S>, T>;

inline constexpr std::array<std::pair<std::string_view, NamespaceType>, 8> kNamespaceNames = {{
    {"pid", NamespaceType::kPid},
    {"network", NamespaceType::kNetwork},
    {"mount", NamespaceType::kMount},
    {"ipc", NamespaceType::kIpc},
    {"uts", NamespaceType::kUts},
    {"user", NamespaceType::kUser},
    {"cgroup", NamespaceType::kCgroup},
    {"time", NamespaceType::kTime},
}};

constexpr std::string_view namespace_name(NamespaceType type) {
  for (const auto& [name, value] : kNamespaceNames) {
    if (value == type) return name;
  }
  return "";
}

template <typename V, Is<IdMapping> S>
void fields(V& visitor, S& mapping) {
  visitor.always("containerID", mapping.container_id);
  visitor.always("hostID", mapping.host_id);
  visitor.always("size", mapping.size);
}

template <typename V, Is<Root> S>
void fields(V& visitor, S& root) {
  visitor.always("path", root.path);
  visitor.field("readonly", root.readonly);
}

template <typename V, Is<Mount> S>
void fields(V& visitor, S& mount) {
  visitor.always("destination", mount.destination);
  visitor.field("type", mount.type);
  visitor.field("source", mount.source);
  visitor.field("options", mount.options);
  visitor.field("uidMappings", mount.uid_mappings);
  visitor.field("gidMappings", mount.gid_mappings);
}

template <typename V, Is<Hook> S>
void fields(V& visitor, S& hook) {
  visitor.always("path", hook.path);
  visitor.field("args", hook.args);
  visitor.field("env", hook.env);
  visitor.field("timeout", hook.timeout);
}

template <typename V, Is<Hooks> S>
void fields(V& visitor, S& hooks) {
  visitor.field("prestart", hooks.prestart);
  visitor.field("createRuntime", hooks.create_runtime);
  visitor.field("createContainer", hooks.create_container);
  visitor.field("startContainer", hooks.start_container);
  visitor.field("poststart", hooks.poststart);
  visitor.field("poststop", hooks.poststop);
}

template <typename V, Is<Spec> S>
void fields(V& visitor, S& spec) {
  visitor.always("ociVersion", spec.oci_version);
  visitor.field("process", spec.process);
  visitor.field("root", spec.root);
  visitor.field("hostname", spec.hostname);
  visitor.field("domainname", spec.domainname);
  visitor.field("mounts", spec.mounts);
  visitor.field("hooks", spec.hooks);
  visitor.field("annotations", spec.annotations);
  visitor.field("linux", spec.linux_);
}

}  // namespace gabion::oci
