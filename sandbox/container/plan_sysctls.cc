// linux.sysctl, and the few the policy adds. A value that is not per namespace, or whose namespace is the
// host's, would change the host: refused, whatever the policy.
#include <sched.h>

#include <algorithm>
#include <array>

#include "base/path.h"
#include "base/text.h"
#include "container/plan_parts.h"

namespace gabion::container {

namespace {

const oci::Namespace* find_namespace(const oci::Spec& spec, oci::NamespaceType type) {
  for (const oci::Namespace& entry : spec.linux_.namespaces) {
    if (entry.type == type) return &entry;
  }
  return nullptr;
}

bool is_own(const oci::Namespace* entry, const Survey& survey) {
  if (entry == nullptr) return false;
  if (entry->path.empty()) return true;
  const auto fact = survey.facts.namespaces.find(entry->path);
  return fact != survey.facts.namespaces.end() && !fact->second.is_host;
}

Error refused(const std::string& path, std::string_view why) {
  std::string name = path;
  for (char& c : name) c = c == '/' ? '.' : (c == '.' ? '/' : c);
  return make_error(Code::kInvalid, concat({"sysctl \"", name, "\" ", why}));
}

// ipc_namespaces(7), namespaces(7); the texts are runc's.
Status check_namespaced(const std::string& path, const oci::Spec& spec, const Survey& survey) {
  static constexpr std::array<std::string_view, 8> kIpc = {
      "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem",
      "kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced"};
  // "net/../kernel/core_pattern" begins like a network's and is the host's.
  if (clean_path("/" + path) != "/" + path) return refused(path, "is not a plain name");
  if (std::find(kIpc.begin(), kIpc.end(), path) != kIpc.end() || path.starts_with("fs/mqueue/")) {
    if (is_own(find_namespace(spec, oci::NamespaceType::kIpc), survey)) return ok_status();
    return refused(path, "is not allowed in the hosts ipc namespace");
  }
  if (path.starts_with("net/")) {
    if (is_own(find_namespace(spec, oci::NamespaceType::kNetwork), survey)) return ok_status();
    return refused(path, "not allowed in host network namespace");
  }
  const bool own_uts = is_own(find_namespace(spec, oci::NamespaceType::kUts), survey);
  if (path == "kernel/hostname" && own_uts) {
    return refused(path, "is not allowed as it conflicts with the OCI \"hostname\" field");
  }
  if (path == "kernel/domainname" && own_uts) {
    const auto& values = spec.linux_.sysctl;
    const bool same = std::any_of(values.begin(), values.end(), [&](const auto& entry) {
      return entry.first.ends_with("domainname") && entry.second == spec.domainname;
    });
    if (spec.domainname.empty() || same) return ok_status();
    return refused(path, "is not allowed as it conflicts with the OCI \"domainname\" field");
  }
  if (path.starts_with("user/")) {
    if (find_namespace(spec, oci::NamespaceType::kUser) != nullptr) return ok_status();
    return refused(path, "is not allowed without a user namespace");
  }
  return refused(path, "is not in a separate kernel namespace");
}

}  // namespace

Status plan_sysctls(Plan& plan, const policy::HardenedSpec& hardened, const Survey& survey) {
  const oci::Spec& spec = hardened.spec();
  const policy::Controls& controls = hardened.controls();
  const bool outside = plan.namespaces.owner == NamespacePlan::Owner::kHost;
  auto add = [&](const std::string& key, const std::string& value) {
    for (auto& [known, text] : plan.sysctls) {
      if (known != key) continue;
      text = value;
      return;
    }
    plan.sysctls.emplace_back(key, value);
  };
  if (plan.namespaces.new_network && controls.unprivileged_low_ports) {
    add("net/ipv4/ip_unprivileged_port_start", "0");
  }
  if (plan.namespaces.new_network && controls.unprivileged_ping && outside && !plan.namespaces.gids.empty()) {
    // The file takes the caller's view: written before the user namespace is entered, host ids.
    const kernel::IdMap& range = plan.namespaces.gids.front();
    add("net/ipv4/ping_group_range",
        concat({std::to_string(range.outside), " ", std::to_string(range.outside + (range.size - 1))}));
  }
  for (const auto& [key, value] : spec.linux_.sysctl) {
    // sysctl(8): the first separator decides; "net.ipv4.conf.eth0/1.x" has slashes for dots.
    std::string path = key;
    const size_t first = key.find_first_of("./");
    if (first != std::string::npos && key[first] == '.') {
      for (char& c : path) c = c == '.' ? '/' : (c == '/' ? '.' : c);
    }
    TRY(check_namespaced(path, spec, survey));
    if (path == "net/ipv4/ping_group_range" && outside && !plan.namespaces.gids.empty()) {
      // The spec counts in the container's ids.
      const std::vector<std::string_view> ends =
          split(trim(value), value.find('\t') == std::string::npos ? ' ' : '\t');
      const auto low = parse_unsigned(ends.front(), UINT32_MAX);
      const auto high = parse_unsigned(ends.back(), UINT32_MAX);
      const kernel::IdMap& range = plan.namespaces.gids.front();
      if (low && high && *low <= *high && *low < range.size) {
        const uint64_t top = std::min<uint64_t>(*high, range.size - 1);
        add(path, concat({std::to_string(range.outside + *low), " ", std::to_string(range.outside + top)}));
        continue;
      }
    }
    add(path, value);
  }
  if (controls.no_memfd_exec && (plan.namespaces.create & CLONE_NEWPID) != 0) {
    plan.sysctls.emplace_back("vm/memfd_noexec", "2");
  }
  return ok_status();
}

}  // namespace gabion::container
