// What the rows are made of.
#pragma once

#include <algorithm>

#include "misconfigurations.h"
#include "support.h"

namespace gabion::policy::test {

using oci::NamespaceType;
using oci::Spec;

template <typename T, typename F>
bool any(const T& list, F holds) {
  return std::any_of(list.begin(), list.end(), holds);
}

inline bool mounts_from(const oci::Spec& spec, std::string_view source) {
  return any(spec.mounts, [&](const oci::Mount& mount) { return mount.source == source; });
}

inline bool mounts_at(const oci::Spec& spec, std::string_view destination) {
  return any(spec.mounts, [&](const oci::Mount& mount) { return mount.destination == destination; });
}

inline bool has_option(const oci::Spec& spec, std::string_view destination, std::string_view option) {
  return any(spec.mounts, [&](const oci::Mount& mount) {
    return mount.destination == destination && contains(mount.options, option);
  });
}

inline bool has_namespace(const oci::Spec& spec, oci::NamespaceType type, std::string_view path = "") {
  return any(spec.linux_.namespaces,
             [&](const oci::Namespace& entry) { return entry.type == type && entry.path == path; });
}

inline void drop_namespace(oci::Spec& spec, oci::NamespaceType type) {
  std::erase_if(spec.linux_.namespaces, [&](const oci::Namespace& entry) { return entry.type == type; });
}

inline void join(oci::Spec& spec, HostFacts& facts, oci::NamespaceType type, const char* path, bool host) {
  drop_namespace(spec, type);
  spec.linux_.namespaces.push_back({type, path});
  facts.namespaces[path] = {true, host};
}

inline void add_bind(oci::Spec& spec, HostFacts& facts, const char* source,
                     SourceKind kind = SourceKind::kDirectory, const char* filesystem = "ext4") {
  spec.mounts.push_back(bind(source, "/inside"));
  add_source(facts, source, source, kind, filesystem);
}

inline void add_plain(oci::Spec& spec, const char* type, const char* destination,
                      std::vector<std::string> options = {}) {
  oci::Mount mount;
  mount.type = mount.source = type;
  mount.destination = destination;
  mount.options = std::move(options);
  spec.mounts.push_back(std::move(mount));
}

}  // namespace gabion::policy::test
