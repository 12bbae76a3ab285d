// cgroup2 controllers: which a group has, and turning them on down the path to it.
#include <algorithm>
#include <string>
#include <vector>

#include "base/text.h"
#include "kernel/cgroup_v2.h"

namespace gabion::kernel {
namespace {

using Words = std::vector<std::string_view>;

Words words(std::string_view text) {
  Words result;
  for (std::string_view word : split(trim(text), ' ')) {
    if (!word.empty()) result.push_back(word);
  }
  return result;
}

bool contains(const Words& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

struct Need {
  std::string_view controller;
  std::string_view control;
  const char* file;  // one the controller brings in every kernel; nullptr: not known beforehand
};

std::vector<Need> needs(const CgroupLimits& limits) {
  std::vector<Need> list;
  auto need = [&](bool wanted, std::string_view controller, std::string_view control, const char* file) {
    if (wanted) list.push_back({controller, control, file});
  };
  auto set = [](const auto& value) { return value && *value != 0; };
  need(set(limits.memory_limit) || set(limits.memory_reservation) || set(limits.memory_swap), "memory",
       "the memory limit", "memory.max");
  need(set(limits.cpu_shares) || set(limits.cpu_quota) || set(limits.cpu_period) || limits.cpu_burst ||
           limits.cpu_idle,
       "cpu", "the CPU limits", "cpu.weight");
  need(!limits.cpuset_cpus.empty() || !limits.cpuset_mems.empty(), "cpuset", "the CPU set", "cpuset.cpus");
  need(limits.pids_limit.has_value(), "pids", "the pids limit", "pids.max");
  need(set(limits.blkio_weight) || !limits.blkio_weight_device.empty() || !limits.blkio_read_bps.empty() ||
           !limits.blkio_write_bps.empty() || !limits.blkio_read_iops.empty() ||
           !limits.blkio_write_iops.empty(),
       "io", "the block I/O limits", "io.stat");
  need(!limits.hugepages.empty(), "hugetlb", "the huge page limit", nullptr);
  need(!limits.rdma.empty(), "rdma", "the RDMA limit", "rdma.max");
  return list;
}

// Writes "+x" for each controller of the ancestor at `path` not passed on yet. The value is the
// first refusal, for a message, or ok.
Result<Status> enable_at(const std::string& path) {
  GroupDirectory directory("unified", path);
  const std::string available = TRY(directory.read("cgroup.controllers"));
  const std::string enabled = TRY(directory.read("cgroup.subtree_control"));
  const Words have = words(enabled);
  std::vector<std::string> missing;
  std::string all;
  for (std::string_view controller : words(available)) {
    if (contains(have, controller)) continue;
    missing.push_back(concat({"+", controller}));
    if (!all.empty()) all += ' ';
    all += missing.back();
  }
  if (missing.empty() || directory.write("cgroup.subtree_control", all).ok()) return ok_status();
  // All or nothing: one that cannot be (a realtime task blocks cpu) must not take the rest with it.
  Status refused = ok_status();
  for (const std::string& controller : missing) {
    Status written = directory.write("cgroup.subtree_control", controller);
    if (!written.ok() && refused.ok()) refused = std::move(written);
  }
  return refused;
}

// A start beside this one may be turning the controllers on in the shared parent: the kernel lists
// them in cgroup.controllers before it has made their files in every child. One that never comes is
// the write's error.
void wait_for_file(GroupDirectory& leaf, const char* file) {
  Backoff backoff(2000, 50'000, 10'000'000);
  while (!leaf.has(file) && backoff.pause()) {
  }
}

}  // namespace

Status enable_controllers(Group& group, const CgroupLimits& limits) {
  GroupDirectory* leaf = group.unified();
  const std::string root =
      cgroup_mode() == CgroupMode::kUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
  const std::string& path = leaf->path();
  if (!path.starts_with(root + "/")) {
    return make_error(Code::kInvalid, concat({"cgroup \"", path, "\" is not below ", root}));
  }
  const std::string all = TRY(GroupDirectory("unified", root).read("cgroup.controllers"));
  std::string own = TRY(leaf->read("cgroup.controllers"));
  Status refused = ok_status();
  if (own != all) {
    for (size_t slash = root.size(); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      Status status = TRY(enable_at(path.substr(0, slash)));
      if (!status.ok() && refused.ok()) refused = std::move(status);
    }
    own = TRY(leaf->read("cgroup.controllers"));
  }
  const Words have = words(own);
  // On a hybrid host only these go to cgroup2.
  for (const Need& need : needs(limits)) {
    if (!group.is_unified() && need.controller != "hugetlb") continue;
    if (contains(have, need.controller)) {
      if (need.file != nullptr) wait_for_file(*leaf, need.file);
      continue;
    }
    std::string reason =
        refused.ok() ? "this host does not have it; leave the limit out" : refused.error().message();
    return make_error(Code::kUnsupported,
                      concat({"cannot set ", need.control, ": the ", need.controller,
                              " cgroup controller is not available in \"", path, "\": ", reason}));
  }
  return ok_status();
}

}  // namespace gabion::kernel
