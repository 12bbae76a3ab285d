// Who the process is: ids, capabilities, and what keeps it from getting more.
#include <unistd.h>

#include <array>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "kernel/capabilities.h"
#include "probe/check.h"
#include "probe/child.h"
#include "probe/host.h"

namespace gabion::probe {
namespace {

// With which a process takes over its node, where they count for it; each by name in capabilities(7).
constexpr std::array kDangerous = {
    "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_MODULE",      "CAP_SYS_RAWIO",         "CAP_BPF",
    "CAP_PERFMON",   "CAP_SYSLOG",     "CAP_DAC_READ_SEARCH", "CAP_SYS_BOOT",          "CAP_NET_ADMIN",
    "CAP_NET_RAW",   "CAP_MKNOD",      "CAP_SYS_TIME",        "CAP_CHECKPOINT_RESTORE"};

// "Name:\tvalue" of /proc/self/status.
std::string field(std::string_view status, std::string_view name) {
  for (const std::string_view line : split(status, '\n')) {
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ':')
      return std::string(trim(line.substr(name.size() + 1)));
  }
  return "";
}

uint64_t capability_set(std::string_view status, std::string_view name) {
  uint64_t value = 0;
  for (const char digit : field(status, name)) {
    value = value << 4 | static_cast<uint64_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
  }
  return value;
}

std::string names_in(uint64_t set) {
  std::string names;
  for (const char* name : kDangerous) {
    const auto number = kernel::capability_number(name);
    if (number && (set >> *number & 1) != 0) names += concat({names.empty() ? "" : " ", name + 4});
  }
  return names;
}

}  // namespace

void probe_identity(Checks& checks) {
  constexpr size_t kLimit = 65536;
  constexpr std::string_view kGroup = "identity";
  const Result<std::string> read = read_file("/proc/self/status", kLimit);
  const std::string status = read.ok() ? *read : std::string();
  const bool unread = !read.ok() && says_nothing(read.error().sys_errno);
  const bool host_ids = in_hosts_user_namespace();

  const Result<std::string> outside = host_id_of_root();
  if (outside.ok()) {
    checks.push_back(
        {kGroup, "root here is root of the host", 10, *outside == "0",
         outside->empty() ? "root is nobody outside" : concat({"uid 0 is uid ", *outside, " outside"})});
  } else {
    checks.push_back(tried(kGroup, "root here is root of the host", 10, outside.error().sys_errno));
  }
  checks.push_back({kGroup, "is uid 0", 0, ::geteuid() == 0, concat({"uid ", std::to_string(::geteuid())})});
  const auto named = [&](std::string_view set) {
    return unread ? std::string(kNotMeasured) : names_in(capability_set(status, set));
  };
  const std::string effective = named("CapEff");
  checks.push_back({kGroup, "capabilities over the host", 8, host_ids && !effective.empty(),
                    host_ids ? effective : "none count outside its user namespace"});
  checks.push_back({kGroup, "dangerous capabilities, effective", 3, !effective.empty(), effective});
  const std::string bounding = named("CapBnd");
  checks.push_back({kGroup, "dangerous capabilities to be had by execve", 2, !bounding.empty(), bounding});
  const bool inherited = unread || (capability_set(status, "CapInh") | capability_set(status, "CapAmb")) != 0;
  checks.push_back({kGroup, "capabilities that programs inherit (CVE-2022-29162)", 2, inherited, ""});
  checks.push_back(
      {kGroup, "no no_new_privs: set-user-id programs work", 4, field(status, "NoNewPrivs") != "1", ""});
  const std::string filters = field(status, "Seccomp_filters");
  checks.push_back({kGroup, "no seccomp filter", 8, field(status, "Seccomp") != "2",
                    filters.empty() ? "" : concat({filters, " filters"})});
}

}  // namespace gabion::probe
