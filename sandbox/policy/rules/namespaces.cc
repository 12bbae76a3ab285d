// A container sees its own processes, mounts, network, IPC objects, host name and control groups.
#include <algorithm>
#include <array>

#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

using oci::Namespace;
using oci::NamespaceType;
using oci::Spec;

constexpr std::array<NamespaceType, 5> kAlwaysPrivate = {NamespaceType::kPid, NamespaceType::kIpc,
                                                         NamespaceType::kUts, NamespaceType::kMount,
                                                         NamespaceType::kCgroup};

std::string_view why_private(NamespaceType type) {
  switch (type) {
    case NamespaceType::kPid:
      return "the host's process ids let a container see and signal every process";
    case NamespaceType::kIpc:
      return "the host's IPC objects are shared memory with every process of the host";
    case NamespaceType::kUts:
      return "the host's UTS namespace would share its name";
    case NamespaceType::kMount:
      return "the host's mount namespace is the host's file tree";
    default:
      return "the host's cgroup namespace shows, and may let it write, the node's whole hierarchy";
  }
}

std::string path_of_namespaces(const Spec& spec, NamespaceType type) {
  const auto& all = spec.linux_.namespaces;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].type == type) return "linux.namespaces[" + std::to_string(i) + "]";
  }
  return "linux.namespaces";
}

Namespace* find_mutable(Spec& spec, NamespaceType type) {
  for (Namespace& entry : spec.linux_.namespaces) {
    if (entry.type == type) return &entry;
  }
  return nullptr;
}

bool is_host(const HostFacts& facts, const Namespace& entry) {
  const auto fact = facts.namespaces.find(entry.path);
  return fact != facts.namespaces.end() && fact->second.is_host;
}

// True: the namespace is the host's, by absence or by path.
bool shares_host(const Spec& spec, const HostFacts& facts, NamespaceType type) {
  const Namespace* entry = find_namespace(spec, type);
  return entry == nullptr || (!entry->path.empty() && is_host(facts, *entry));
}

void make_new(Spec& spec, NamespaceType type) {
  if (Namespace* entry = find_mutable(spec, type)) {
    entry->path.clear();
  } else {
    spec.linux_.namespaces.push_back({type, ""});
  }
}

void judge_host(const HostFacts& facts, Spec& spec, NamespaceType type, Recorder& log) {
  if (!shares_host(spec, facts, type)) return;
  const Namespace* entry = find_namespace(spec, type);
  const std::string name(namespace_name(type));
  if (log.rewrites(
          Rule::kNamespacesPrivate,
          {path_of_namespaces(spec, type),
           entry == nullptr ? "" : name + " of the host (" + entry->path + ")", "new " + name + " namespace",
           std::string(why_private(type)), "ask for a new " + name + " namespace"})) {
    make_new(spec, type);
  }
}

void judge_network(const Policy& policy, const HostFacts& facts, Spec& spec, Recorder& log) {
  if (!shares_host(spec, facts, NamespaceType::kNetwork)) return;
  const std::string path = path_of_namespaces(spec, NamespaceType::kNetwork);
  if (policy.host_network) {
    log.keeps(Rule::kNamespacesHostNetwork, path, "network of the host",
              "an exception allows the host's network");
    return;
  }
  if (log.rewrites(Rule::kNamespacesHostNetwork,
                   {path, "network of the host", "new network namespace",
                    "host network needs an exception: it reaches every loopback service and abstract "
                    "socket of the node (CVE-2020-15257)",
                    "publish ports on a bridge network instead, or add an entry with "
                    "\"hostNetwork\": true to \"exceptions\" in /etc/gabion/policy.json"})) {
    make_new(spec, NamespaceType::kNetwork);
  }
}

bool may_join(const Policy& policy, NamespaceType type) {
  const auto& types = policy.join_namespaces;
  return std::find(types.begin(), types.end(), namespace_name(type)) != types.end();
}

void judge_joined(const Policy& policy, const HostFacts& facts, Spec& spec, Recorder& log) {
  for (size_t i = 0; i < spec.linux_.namespaces.size(); ++i) {
    Namespace& entry = spec.linux_.namespaces[i];
    if (entry.path.empty()) continue;
    const std::string path = "linux.namespaces[" + std::to_string(i) + "].path";
    const std::string name(namespace_name(entry.type));
    const auto fact = facts.namespaces.find(entry.path);
    if (fact == facts.namespaces.end() || !fact->second.found) {
      // Whether it is the host's cannot be told, so no mode may let it pass.
      log.refuses(Rule::kNamespacesJoin, {path, entry.path, "", "there is no such " + name + " namespace",
                                          "name the namespace of a running container"});
      continue;
    }
    if (fact->second.is_host || may_join(policy, entry.type)) continue;
    if (log.rewrites(Rule::kNamespacesJoin,
                     {path, entry.path, "new " + name + " namespace",
                      "the policy does not let a container join another's " + name + " namespace",
                      "give it its own, or add \"" + name + "\" to \"joinNamespaces\""})) {
      entry.path.clear();
    }
  }
}

}  // namespace

std::string_view namespace_name(NamespaceType type) {
  switch (type) {
    case NamespaceType::kPid:
      return "pid";
    case NamespaceType::kNetwork:
      return "network";
    case NamespaceType::kMount:
      return "mount";
    case NamespaceType::kIpc:
      return "ipc";
    case NamespaceType::kUts:
      return "uts";
    case NamespaceType::kUser:
      return "user";
    case NamespaceType::kCgroup:
      return "cgroup";
    case NamespaceType::kTime:
      return "time";
  }
  return "";
}

const Namespace* find_namespace(const Spec& spec, NamespaceType type) {
  for (const Namespace& entry : spec.linux_.namespaces) {
    if (entry.type == type) return &entry;
  }
  return nullptr;
}

bool has_own_namespace(const Spec& spec, const HostFacts& facts, NamespaceType type) {
  return !shares_host(spec, facts, type);
}

void judge_namespaces(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log) {
  for (const NamespaceType type : kAlwaysPrivate) judge_host(facts, draft.spec, type, log);
  judge_network(policy, facts, draft.spec, log);
  judge_joined(policy, facts, draft.spec, log);
  draft.controls.seal_namespaces = policy.seal_namespaces;
  draft.controls.forbid_nested_namespaces = policy.forbid_nested_namespaces;
  // vm.memfd_noexec belongs to the pid namespace: in a joined one it is not the container's to set.
  const Namespace* pid = find_namespace(draft.spec, NamespaceType::kPid);
  draft.controls.no_memfd_exec = policy.no_memfd_exec && pid != nullptr && pid->path.empty();
}

}  // namespace gabion::policy
