#include "kernel/cgroup_v2.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "base/text.h"
#include "kernel/cgroup_convert.h"
#include "kernel/devices_bpf.h"

namespace gabion::kernel {
namespace {

template <typename T>
bool is_set(const std::optional<T>& value) {
  return value && *value != 0;
}

std::string number_or_max(int64_t value) { return value < 0 ? "max" : std::to_string(value); }

Error not_on_v2(std::string_view control) {
  return make_error(Code::kUnsupported,
                    concat({"cannot set ", control, ": cgroup v2 has no such control; leave it out"}));
}

// What OCI can say and cgroup v2 cannot do: refused, where others drop it without a word.
Status refuse_v1_only(const CgroupLimits& limits) {
  if (limits.memory_swappiness) return not_on_v2("memory.swappiness");
  if (limits.oom_kill_disable.value_or(false)) return not_on_v2("memory.disableOOMKiller");
  if (is_set(limits.cpu_rt_runtime) || is_set(limits.cpu_rt_period)) return not_on_v2("cpu.realtimeRuntime");
  if (is_set(limits.blkio_leaf_weight)) return not_on_v2("blockIO.leafWeight");
  for (const BlockWeight& entry : limits.blkio_weight_device) {
    if (is_set(entry.leaf_weight)) return not_on_v2("blockIO.weightDevice.leafWeight");
  }
  if (is_set(limits.net_class_id)) return not_on_v2("network.classID");
  if (!limits.net_priorities.empty()) return not_on_v2("network.priorities");
  return ok_status();
}

Status check_memory_usage(GroupDirectory& group, const CgroupLimits& limits) {
  if (!limits.memory_check_before_update) return ok_status();
  const uint64_t usage = TRY(group.read_number("memory.current"));
  auto check = [&](const std::optional<int64_t>& limit, std::string_view name) -> Status {
    if (!limit || *limit <= 0 || static_cast<uint64_t>(*limit) > usage) return ok_status();
    return make_error(Code::kInvalid, concat({"rejecting ", name, " limit ", std::to_string(*limit),
                                              " <= usage ", std::to_string(usage)}));
  };
  TRY(check(limits.memory_swap, "memory+swap"));
  return check(limits.memory_limit, "memory");
}

Status write_swap(GroupDirectory& group, const CgroupLimits& limits) {
  std::optional<int64_t> swap;
  if (is_set(limits.memory_swap)) {
    std::optional<int64_t> limit = limits.memory_limit;
    if (!is_set(limit) && *limits.memory_swap > 0) {
      const uint64_t current = TRY(group.read_number("memory.max"));
      if (current != UINT64_MAX) limit = static_cast<int64_t>(current);
    }
    swap = TRY(swap_max(*limits.memory_swap, limit));
  } else if (limits.memory_limit == -1) {
    swap = -1;
  }
  if (!swap) return ok_status();
  Status written = group.write("memory.swap.max", number_or_max(*swap));
  // A kernel without swap accounting swaps nothing out of the group when there is no swap either
  // way: none asked for, or no limit asked for, is what it already does.
  const bool harmless = *swap <= 0;
  if (!written.ok() && written.error().sys_errno == ENOENT && harmless) return ok_status();
  return written;
}

Status apply_memory(GroupDirectory& group, const CgroupLimits& limits) {
  TRY(check_memory_usage(group, limits));
  TRY(write_swap(group, limits));
  if (is_set(limits.memory_limit)) TRY(group.write("memory.max", number_or_max(*limits.memory_limit)));
  if (is_set(limits.memory_reservation)) {
    TRY(group.write("memory.low", number_or_max(*limits.memory_reservation)));
  }
  return ok_status();
}

Result<std::string> cpu_max(GroupDirectory& group, const CgroupLimits& limits) {
  std::string quota = is_set(limits.cpu_quota) ? number_or_max(*limits.cpu_quota) : "";
  // One word leaves the period alone.
  if (!is_set(limits.cpu_period)) return quota;
  if (quota.empty()) {
    const std::string current = TRY(group.read("cpu.max"));
    quota = split(trim(current), ' ').front();
  }
  return concat({quota, " ", std::to_string(*limits.cpu_period)});
}

Status apply_cpu(GroupDirectory& group, const CgroupLimits& limits) {
  if (limits.cpu_idle) TRY(group.write("cpu.idle", std::to_string(*limits.cpu_idle)));
  // An idle group has no weight (EINVAL): the kernel gives it that of SCHED_IDLE.
  if (is_set(limits.cpu_shares) && limits.cpu_idle != 1) {
    TRY(group.write("cpu.weight", std::to_string(cpu_weight_from_shares(*limits.cpu_shares))));
  }
  std::optional<std::string> burst;
  if (limits.cpu_burst) burst = std::to_string(*limits.cpu_burst);
  std::optional<std::string> max;
  if (is_set(limits.cpu_quota) || is_set(limits.cpu_period)) max = TRY(cpu_max(group, limits));
  TRY(write_bounded_pair(group, "cpu.max.burst", burst, "cpu.max", max));
  if (!limits.cpuset_cpus.empty()) TRY(group.write("cpuset.cpus", limits.cpuset_cpus));
  if (!limits.cpuset_mems.empty()) TRY(group.write("cpuset.mems", limits.cpuset_mems));
  return ok_status();
}

std::string device_name(int64_t major, int64_t minor) {
  return concat({std::to_string(major), ":", std::to_string(minor)});
}

Status write_io_max(GroupDirectory& group, std::string_view key,
                    const std::vector<BlockThrottle>& throttles) {
  std::vector<std::string> values;
  for (const BlockThrottle& entry : throttles) {
    // 0 is "no limit" on v1 and ERANGE here.
    const std::string rate = entry.rate == 0 ? "max" : std::to_string(entry.rate);
    values.push_back(concat({device_name(entry.major, entry.minor), " ", key, "=", rate}));
  }
  return group.write_each("io.max", values);
}

Status apply_io(GroupDirectory& group, const CgroupLimits& limits) {
  if (is_set(limits.blkio_weight) || !limits.blkio_weight_device.empty()) {
    // BFQ's own file takes v1's numbers; io.weight (iocost) has a wider scale.
    const bool bfq = group.has("io.bfq.weight");
    const std::string file = bfq ? "io.bfq.weight" : "io.weight";
    auto scale = [&](uint16_t weight) { return std::to_string(bfq ? weight : io_weight_from_blkio(weight)); };
    if (is_set(limits.blkio_weight)) TRY(group.write(file, scale(*limits.blkio_weight)));
    for (const BlockWeight& entry : limits.blkio_weight_device) {
      if (!is_set(entry.weight)) continue;
      TRY(group.write(file, concat({device_name(entry.major, entry.minor), " ", scale(*entry.weight)})));
    }
  }
  TRY(write_io_max(group, "rbps", limits.blkio_read_bps));
  TRY(write_io_max(group, "wbps", limits.blkio_write_bps));
  TRY(write_io_max(group, "riops", limits.blkio_read_iops));
  return write_io_max(group, "wiops", limits.blkio_write_iops);
}

Status write_hugepages(GroupDirectory& group, const CgroupLimits& limits) {
  for (const auto& [size, limit] : limits.hugepages) {
    TRY(check_page_size(size));
    TRY(group.write(concat({"hugetlb.", size, ".max"}), std::to_string(limit)));
    // Reservations (mmap without a fault yet) are counted apart since Linux 5.7.
    const std::string reserved = concat({"hugetlb.", size, ".rsvd.max"});
    if (group.has(reserved.c_str())) TRY(group.write(reserved, std::to_string(limit)));
  }
  return ok_status();
}

Status write_unified_file(GroupDirectory& group, const std::string& file, const std::string& value) {
  if (file.empty() || file.find('/') != std::string::npos) {
    return make_error(Code::kInvalid,
                      concat({"unified resource \"", file, "\" must be a file name (no slashes)"}));
  }
  // These act on processes, the runtime's own included; they limit nothing.
  constexpr std::array<std::string_view, 5> kActions = {"cgroup.procs", "cgroup.threads", "cgroup.kill",
                                                        "cgroup.freeze", "cgroup.type"};
  const size_t dot = file.find('.');
  if (dot == std::string::npos || std::find(kActions.begin(), kActions.end(), file) != kActions.end()) {
    return make_error(Code::kInvalid, concat({"unified resource \"", file, "\" is not a limit"}));
  }
  Status written = group.write(file, value);
  if (written.ok() || written.error().sys_errno != ENOENT) return written;
  return make_error(Code::kUnsupported, concat({"unified resource \"", file, "\" can't be set: controller \"",
                                                file.substr(0, dot), "\" not available"}));
}

Status write_unified(GroupDirectory& group, const CgroupLimits& limits) {
  for (const auto& [file, value] : limits.unified) TRY(write_unified_file(group, file, value));
  return ok_status();
}

}  // namespace

Status check_page_size(std::string_view size) {
  const size_t unit = size.find_first_not_of("0123456789");
  const bool good = unit != 0 && unit != std::string_view::npos &&
                    (size.substr(unit) == "KB" || size.substr(unit) == "MB" || size.substr(unit) == "GB");
  if (good) return ok_status();
  return make_error(Code::kInvalid,
                    concat({"huge page size \"", size, "\" is not a number with KB, MB or GB"}));
}

Status apply_hugepages_v2(Group& group, const CgroupLimits& limits) {
  TRY(enable_controllers(group, limits));
  return write_hugepages(*group.unified(), limits);
}

Status apply_unified_files(Group& group, const CgroupLimits& limits) {
  if (limits.unified.empty()) return ok_status();
  if (group.unified() == nullptr) {
    return make_error(Code::kUnsupported, "unified resources need cgroup v2, which this host does not mount");
  }
  TRY(enable_controllers(group, limits));
  return write_unified(*group.unified(), limits);
}

Status apply_v2(Group& group, const CgroupLimits& limits) {
  GroupDirectory* unified = group.unified();
  if (unified == nullptr) return make_error(Code::kInvalid, "the container has no cgroup");
  TRY(refuse_v1_only(limits));
  TRY(apply_memory(*unified, limits));
  TRY(apply_cpu(*unified, limits));
  if (limits.pids_limit) TRY(unified->write("pids.max", number_or_max(*limits.pids_limit)));
  TRY(apply_io(*unified, limits));
  TRY(write_hugepages(*unified, limits));
  for (const auto& [device, value] : limits.rdma) {
    TRY(unified->write("rdma.max", concat({device, " ", value})));
  }
  if (limits.devices) {
    const int directory = TRY(unified->fd());
    TRY(attach_device_program(directory, device_program(*limits.devices)));
  }
  return write_unified(*unified, limits);
}

}  // namespace gabion::kernel
