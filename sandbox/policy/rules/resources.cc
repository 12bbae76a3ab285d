// One container must not exhaust the node: ceilings on processes and memory, known controller files
// only, and a cgroup below the place the engine named.
#include <algorithm>
#include <array>
#include <optional>

#include "base/path.h"
#include "base/text.h"
#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

// cgroup v2 files that limit. What is missing here acts on others (cgroup.procs, cgroup.kill,
// cgroup.subtree_control) or is only for reading.
constexpr std::array<std::string_view, 29> kUnified = {"memory.min",
                                                       "memory.low",
                                                       "memory.high",
                                                       "memory.max",
                                                       "memory.swap.max",
                                                       "memory.swap.high",
                                                       "memory.oom.group",
                                                       "memory.zswap.max",
                                                       "memory.zswap.writeback",
                                                       "cpu.weight",
                                                       "cpu.weight.nice",
                                                       "cpu.max",
                                                       "cpu.max.burst",
                                                       "cpu.idle",
                                                       "cpu.uclamp.min",
                                                       "cpu.uclamp.max",
                                                       "cpuset.cpus",
                                                       "cpuset.mems",
                                                       "io.weight",
                                                       "io.bfq.weight",
                                                       "io.max",
                                                       "io.latency",
                                                       "io.prio.class",
                                                       "pids.max",
                                                       "hugetlb.*.max",
                                                       "hugetlb.*.rsvd.max",
                                                       "rdma.max",
                                                       "misc.max",
                                                       "dmem.max"};

std::string amount(int64_t value) { return value < 0 ? "unlimited" : std::to_string(value); }

void judge_pids(uint64_t ceiling, LimitsOf operation, oci::Resources& resources, const std::string& path,
                Recorder& log) {
  if (ceiling == 0) return;
  const std::optional<int64_t> asked = resources.pids_limit;
  if (!asked && operation == LimitsOf::kUpdate) return;
  if (asked && *asked > 0 && static_cast<uint64_t>(*asked) <= ceiling) return;
  if (log.rewrites(Rule::kResourcesPids, {path + ".pids.limit", asked ? amount(*asked > 0 ? *asked : -1) : "",
                                          std::to_string(ceiling), "a fork bomb takes the whole node with it",
                                          "ask for at most " + std::to_string(ceiling)})) {
    resources.pids_limit = static_cast<int64_t>(ceiling);
  }
}

void judge_memory(const Policy& policy, const HostFacts& facts, LimitsOf operation, oci::Resources& resources,
                  const std::string& path, Recorder& log) {
  const std::optional<int64_t> asked = resources.memory ? resources.memory->limit : std::nullopt;
  if (policy.memory.none() || (!asked && operation == LimitsOf::kUpdate)) return;
  const std::string before = asked ? amount(*asked > 0 ? *asked : -1) : "";  // 0 is Docker's "no limit"
  const uint64_t ceiling = policy.memory.of(facts.memory_bytes);
  if (ceiling == 0) {
    log.refuses(Rule::kResourcesMemory, {path + ".memory.limit", before, "",
                                         "the policy's ceiling is a share of a memory size that is not known",
                                         "give \"memory\" in the policy in bytes"});
    return;
  }
  if (asked && *asked > 0 && static_cast<uint64_t>(*asked) <= ceiling) return;
  if (log.rewrites(Rule::kResourcesMemory,
                   {path + ".memory.limit", before, std::to_string(ceiling),
                    "one container must not have the kernel kill the others",
                    "ask for at most " + std::to_string(ceiling) + " bytes (docker run -m)"})) {
    if (!resources.memory) resources.memory.emplace();
    resources.memory->limit = static_cast<int64_t>(ceiling);
  }
}

void judge_oom_killer(oci::Resources& resources, const std::string& path, Recorder& log) {
  if (!resources.memory || !resources.memory->disable_oom_killer.value_or(false)) return;
  if (log.rewrites(Rule::kResourcesOomKiller,
                   {path + ".memory.disableOOMKiller", "true", "false",
                    "a container out of memory would hang, and hold its memory, for ever",
                    "leave the OOM killer on"})) {
    resources.memory->disable_oom_killer = false;
  }
}

bool is_known_file(std::string_view name) {
  return std::any_of(kUnified.begin(), kUnified.end(), [&](std::string_view known) {
    return name.find('/') == std::string_view::npos && glob_match(known, name);
  });
}

// The ceiling when `value` lies above it, and nothing otherwise.
std::optional<std::string> capped(std::string_view value, uint64_t ceiling) {
  if (ceiling == 0) return std::nullopt;
  const std::optional<int64_t> asked = parse_bytes(trim(value));
  if (trim(value) != "max" && asked && *asked >= 0 && static_cast<uint64_t>(*asked) <= ceiling)
    return std::nullopt;
  return std::to_string(ceiling);
}

void judge_unified(const Policy& policy, const HostFacts& facts, oci::Resources& resources,
                   const std::string& path, Recorder& log) {
  std::vector<std::pair<std::string, std::string>> kept;
  for (auto& [name, value] : resources.unified) {
    const std::string at = concat({path, ".unified.", name});
    const bool plain = value.find_first_of(std::string_view("\n\0", 2)) == std::string::npos;
    if ((!is_known_file(name) || !plain) &&
        log.rewrites(
            Rule::kResourcesUnified,
            {at, plain ? value : "(several lines)", "",
             "it is not a limit of a controller: other cgroup files move processes and delegate control",
             "use a controller's limit file"})) {
      continue;
    }
    const Rule rule = name == "pids.max" ? Rule::kResourcesPids : Rule::kResourcesMemory;
    const uint64_t ceiling = name == "pids.max"     ? policy.pids
                             : name == "memory.max" ? policy.memory.of(facts.memory_bytes)
                                                    : 0;
    if (const std::optional<std::string> cap = capped(value, ceiling)) {
      if (log.rewrites(rule,
                       {at, value, *cap, "it lies above the policy's ceiling", "ask for at most " + *cap})) {
        value = *cap;
      }
    }
    kept.emplace_back(std::move(name), std::move(value));
  }
  resources.unified = std::move(kept);
}

void judge_cgroup_path(oci::Linux& section, Recorder& log) {
  const std::string& path = section.cgroups_path;
  if (path.empty()) return;
  const std::string clean = clean_path(path);
  const std::vector<std::string_view> parts = split(path, '/');
  const bool climbs = std::find(parts.begin(), parts.end(), "..") != parts.end();
  if (clean == "/" || clean == "." || clean.starts_with("..") || path.find('\0') != std::string::npos) {
    // Nothing to clean it to: it names the root of the hierarchy or what lies above.
    log.objects(Rule::kResourcesCgroupPath,
                {"linux.cgroupsPath", path, "", "it names no cgroup of the container's own",
                 "give a path such as /docker/<id>"});
    return;
  }
  if (!climbs) return;
  if (log.rewrites(Rule::kResourcesCgroupPath,
                   {"linux.cgroupsPath", path, clean, "\"..\" leaves the cgroup it starts from",
                    "give the path without \"..\""})) {
    section.cgroups_path = clean;
  }
}

}  // namespace

void judge_limits(const Policy& policy, const HostFacts& facts, LimitsOf operation, oci::Resources& resources,
                  const std::string& path, Recorder& log) {
  judge_pids(policy.pids, operation, resources, path, log);
  judge_memory(policy, facts, operation, resources, path, log);
  judge_oom_killer(resources, path, log);
  judge_unified(policy, facts, resources, path, log);
}

void judge_resources(const Policy& policy, const HostFacts& facts, Draft& draft, Recorder& log) {
  oci::Linux& section = draft.spec.linux_;
  judge_cgroup_path(section, log);
  if (!section.resources) section.resources.emplace();
  judge_limits(policy, facts, LimitsOf::kCreate, *section.resources, "linux.resources", log);
  if (section.resources == oci::Resources{}) section.resources.reset();
}

}  // namespace gabion::policy
