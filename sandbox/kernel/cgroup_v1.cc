#include "kernel/cgroup_v1.h"

#include <optional>

#include "base/text.h"
#include "kernel/cgroup_devices.h"
#include "kernel/cgroup_v2.h"
#include "kernel/devices_bpf.h"

namespace gabion::kernel {
namespace {

template <typename T>
bool is_set(const std::optional<T>& value) {
  return value && *value != 0;
}

std::string device_value(int64_t major, int64_t minor, uint64_t value) {
  return concat({std::to_string(major), ":", std::to_string(minor), " ", std::to_string(value)});
}

// --- memory --------------------------------------------------------------------------------------

Error memory_limit_error(GroupDirectory& memory, Error error, int64_t limit) {
  if (error.sys_errno != EBUSY) return error;
  const Result<uint64_t> usage = memory.read_number("memory.usage_in_bytes");
  const Result<uint64_t> peak = memory.read_number("memory.max_usage_in_bytes");
  if (!usage.ok() || !peak.ok()) return error;
  error.context =
      concat({"unable to set memory limit to ", std::to_string(limit),
              " (current usage: ", std::to_string(*usage), ", peak usage: ", std::to_string(*peak), ")"});
  return error;
}

Status write_memory_and_swap(GroupDirectory& memory, std::optional<int64_t> limit,
                             std::optional<int64_t> swap) {
  constexpr const char* kLimit = "memory.limit_in_bytes";
  constexpr const char* kSwap = "memory.memsw.limit_in_bytes";
  // No limit on memory with one left on memory + swap is EINVAL: lifting one lifts the other.
  if (limit == -1 && !is_set(swap) && memory.has(kSwap)) swap = -1;
  const bool has_limit = is_set(limit);
  if (is_set(swap) && (!has_limit || *swap == -1)) TRY(memory.write(kSwap, std::to_string(*swap)));
  if (!has_limit) return ok_status();
  const bool swap_left = is_set(swap) && *swap != -1;
  Status written = memory.write(kLimit, std::to_string(*limit));
  // The kernel keeps limit <= memsw at every moment, so growing goes from the outside in and
  // shrinking from the inside out.
  if (!written.ok() && written.error().sys_errno == EINVAL && swap_left) {
    TRY(memory.write(kSwap, std::to_string(*swap)));
    written = memory.write(kLimit, std::to_string(*limit));
    if (!written.ok()) return memory_limit_error(memory, std::move(written).error(), *limit);
    return ok_status();
  }
  if (!written.ok()) return memory_limit_error(memory, std::move(written).error(), *limit);
  return swap_left ? memory.write(kSwap, std::to_string(*swap)) : ok_status();
}

Status apply_memory(Group& group, const CgroupLimits& limits) {
  const bool wanted = is_set(limits.memory_limit) || is_set(limits.memory_reservation) ||
                      is_set(limits.memory_swap) || limits.memory_swappiness ||
                      limits.oom_kill_disable.value_or(false);
  if (!wanted) return ok_status();
  GroupDirectory* memory = TRY(group.require("memory", "the memory limit"));
  TRY(write_memory_and_swap(*memory, limits.memory_limit, limits.memory_swap));
  if (is_set(limits.memory_reservation)) {
    TRY(memory->write("memory.soft_limit_in_bytes", std::to_string(*limits.memory_reservation)));
  }
  if (limits.oom_kill_disable && (*limits.oom_kill_disable || !memory->fresh())) {
    TRY(memory->write("memory.oom_control", *limits.oom_kill_disable ? "1" : "0"));
  }
  if (limits.memory_swappiness) {
    // runc's wording; the kernel says EINVAL above 200 only.
    if (*limits.memory_swappiness > 100) {
      return make_error(Code::kInvalid,
                        concat({"invalid memory swappiness value: ",
                                std::to_string(*limits.memory_swappiness), " (valid range is 0-100)"}));
    }
    TRY(memory->write("memory.swappiness", std::to_string(*limits.memory_swappiness)));
  }
  return ok_status();
}

// --- cpu -----------------------------------------------------------------------------------------

Status check_shares(uint64_t shares) {
  // The kernel clamps silently; runc refuses, so that what is asked for is what is had.
  if (shares > 262144) return make_error(Code::kInvalid, "the maximum allowed cpu-shares is 262144");
  if (shares < 2) return make_error(Code::kInvalid, "the minimum allowed cpu-shares is 2");
  return ok_status();
}

template <typename T>
std::optional<std::string> text_of(const std::optional<T>& value) {
  return is_set(value) ? std::optional(std::to_string(*value)) : std::nullopt;
}

Status write_bandwidth(GroupDirectory& cpu, const CgroupLimits& limits) {
  const std::optional<std::string> burst =
      limits.cpu_burst ? std::optional(std::to_string(*limits.cpu_burst)) : std::nullopt;
  const bool has_quota = is_set(limits.cpu_quota) || is_set(limits.cpu_period);
  bool burst_again = false;
  if (burst) {
    // A burst above the old quota is EINVAL until the new quota is in.
    Status written = cpu.write("cpu.cfs_burst_us", *burst);
    if (!written.ok() && !(written.error().sys_errno == EINVAL && has_quota)) return written;
    burst_again = !written.ok();
  }
  TRY(write_bounded_pair(cpu, "cpu.cfs_period_us", text_of(limits.cpu_period), "cpu.cfs_quota_us",
                         text_of(limits.cpu_quota)));
  return burst_again ? cpu.write("cpu.cfs_burst_us", *burst) : ok_status();
}

Status apply_cpu(Group& group, const CgroupLimits& limits) {
  const bool wanted = is_set(limits.cpu_shares) || is_set(limits.cpu_quota) || is_set(limits.cpu_period) ||
                      limits.cpu_burst || is_set(limits.cpu_rt_runtime) || is_set(limits.cpu_rt_period) ||
                      limits.cpu_idle;
  if (!wanted) return ok_status();
  GroupDirectory* cpu = TRY(group.require("cpu", "the CPU limits"));
  if (limits.cpu_idle) TRY(cpu->write("cpu.idle", std::to_string(*limits.cpu_idle)));
  // An idle group has no shares (EINVAL): the kernel gives it the weight of SCHED_IDLE.
  if (is_set(limits.cpu_shares) && limits.cpu_idle != 1) {
    TRY(check_shares(*limits.cpu_shares));
    TRY(cpu->write("cpu.shares", std::to_string(*limits.cpu_shares)));
  }
  TRY(write_bandwidth(*cpu, limits));
  return write_bounded_pair(*cpu, "cpu.rt_period_us", text_of(limits.cpu_rt_period), "cpu.rt_runtime_us",
                            text_of(limits.cpu_rt_runtime));
}

// --- cpuset --------------------------------------------------------------------------------------

Status fill_cpuset(const std::string& path, const std::string& file, const std::string& wanted, bool fresh) {
  GroupDirectory directory("cpuset", path);
  if (!fresh) {
    const std::string own = TRY(directory.read(file));
    if (!trim(own).empty()) return ok_status();
  }
  const size_t slash = path.rfind('/');
  const std::string parent_path = path.substr(0, slash);
  GroupDirectory parent("cpuset", parent_path);
  std::string inherited = TRY(parent.read(file));
  if (trim(inherited).empty()) {
    TRY(fill_cpuset(parent_path, file, "", false));
    inherited = TRY(parent.read(file));
  }
  return directory.write(file, wanted.empty() ? trim(inherited) : std::string_view(wanted));
}

Status apply_cpuset(Group& group, const CgroupLimits& limits) {
  if (limits.cpuset_cpus.empty() && limits.cpuset_mems.empty()) return ok_status();
  GroupDirectory* cpuset = TRY(group.require("cpuset", "the CPU set"));
  if (cpuset->fresh()) return ok_status();  // prepare_v1 wrote them
  if (!limits.cpuset_cpus.empty()) TRY(cpuset->write("cpuset.cpus", limits.cpuset_cpus));
  if (!limits.cpuset_mems.empty()) TRY(cpuset->write("cpuset.mems", limits.cpuset_mems));
  return ok_status();
}

// --- block I/O -----------------------------------------------------------------------------------

Status write_throttles(GroupDirectory& blkio, const char* file, const std::vector<BlockThrottle>& throttles) {
  std::vector<std::string> values;
  values.reserve(throttles.size());
  for (const BlockThrottle& entry : throttles) {
    values.push_back(device_value(entry.major, entry.minor, entry.rate));
  }
  return blkio.write_each(file, values);
}

Status apply_blkio(Group& group, const CgroupLimits& limits) {
  const bool weights = is_set(limits.blkio_weight) || !limits.blkio_weight_device.empty();
  const bool throttles = !limits.blkio_read_bps.empty() || !limits.blkio_write_bps.empty() ||
                         !limits.blkio_read_iops.empty() || !limits.blkio_write_iops.empty();
  if (!weights && !throttles && !is_set(limits.blkio_leaf_weight)) return ok_status();
  GroupDirectory* blkio = TRY(group.require("blkio", "the block I/O limits"));
  // CFQ and its blkio.weight went in Linux 5.0; BFQ has its own file.
  const std::string weight = weights && blkio->has("blkio.weight") ? "blkio.weight" : "blkio.bfq.weight";
  if (is_set(limits.blkio_weight)) TRY(blkio->write(weight, std::to_string(*limits.blkio_weight)));
  if (is_set(limits.blkio_leaf_weight)) {
    TRY(blkio->write("blkio.leaf_weight", std::to_string(*limits.blkio_leaf_weight)));
  }
  for (const BlockWeight& entry : limits.blkio_weight_device) {
    if (is_set(entry.weight)) {
      TRY(blkio->write(weight + "_device", device_value(entry.major, entry.minor, *entry.weight)));
    }
    if (is_set(entry.leaf_weight)) {
      TRY(blkio->write("blkio.leaf_weight_device",
                       device_value(entry.major, entry.minor, *entry.leaf_weight)));
    }
  }
  TRY(write_throttles(*blkio, "blkio.throttle.read_bps_device", limits.blkio_read_bps));
  TRY(write_throttles(*blkio, "blkio.throttle.write_bps_device", limits.blkio_write_bps));
  TRY(write_throttles(*blkio, "blkio.throttle.read_iops_device", limits.blkio_read_iops));
  return write_throttles(*blkio, "blkio.throttle.write_iops_device", limits.blkio_write_iops);
}

// --- the rest ------------------------------------------------------------------------------------

Status apply_pids(Group& group, const CgroupLimits& limits) {
  if (!limits.pids_limit) return ok_status();
  GroupDirectory* pids = TRY(group.require("pids", "the pids limit"));
  return pids->write("pids.max", *limits.pids_limit < 0 ? "max" : std::to_string(*limits.pids_limit));
}

Status apply_hugepages(Group& group, const CgroupLimits& limits) {
  if (limits.hugepages.empty()) return ok_status();
  GroupDirectory* hugetlb = group.find("hugetlb");
  // A hybrid host may keep this one controller on cgroup2.
  if (hugetlb == nullptr && group.unified() != nullptr) return apply_hugepages_v2(group, limits);
  hugetlb = TRY(group.require("hugetlb", "the huge page limit"));
  for (const auto& [size, limit] : limits.hugepages) {
    TRY(check_page_size(size));
    TRY(hugetlb->write(concat({"hugetlb.", size, ".limit_in_bytes"}), std::to_string(limit)));
    // Reservations (mmap without a fault yet) are counted apart since Linux 5.7.
    const std::string reserved = concat({"hugetlb.", size, ".rsvd.limit_in_bytes"});
    if (hugetlb->has(reserved.c_str())) TRY(hugetlb->write(reserved, std::to_string(limit)));
  }
  return ok_status();
}

Status apply_network(Group& group, const CgroupLimits& limits) {
  if (is_set(limits.net_class_id)) {
    GroupDirectory* net_cls = TRY(group.require("net_cls", "the network class id"));
    TRY(net_cls->write("net_cls.classid", std::to_string(*limits.net_class_id)));
  }
  if (limits.net_priorities.empty()) return ok_status();
  GroupDirectory* net_prio = TRY(group.require("net_prio", "the network priorities"));
  for (const auto& [name, priority] : limits.net_priorities) {
    TRY(net_prio->write("net_prio.ifpriomap", concat({name, " ", std::to_string(priority)})));
  }
  return ok_status();
}

Status apply_rdma(Group& group, const CgroupLimits& limits) {
  if (limits.rdma.empty()) return ok_status();
  GroupDirectory* rdma = TRY(group.require("rdma", "the RDMA limit"));
  for (const auto& [device, value] : limits.rdma) TRY(rdma->write("rdma.max", concat({device, " ", value})));
  return ok_status();
}

Status apply_devices(Group& group, const CgroupLimits& limits) {
  if (!limits.devices) return ok_status();
  GroupDirectory* devices = group.find("devices");
  if (devices == nullptr && group.unified() != nullptr) {
    const int unified = TRY(group.unified()->fd());
    return attach_device_program(unified, device_program(*limits.devices));
  }
  devices = TRY(group.require("devices", "the device rules"));
  const DeviceList target = TRY(device_list(*limits.devices));
  std::optional<DeviceList> current;
  // A new group starts with its parent's list, whatever that is; a living one is changed only where
  // it differs, so that its processes never lose a device they keep.
  if (!devices->fresh()) {
    const std::string text = TRY(devices->read("devices.list"));
    current = parse_device_list(text);
  }
  const DeviceTransition change = device_transition(current, target);
  TRY(devices->write_each(change.reset_to_allow ? "devices.allow" : "devices.deny", change.reset));
  TRY(devices->write_each("devices.deny", change.deny));
  return devices->write_each("devices.allow", change.allow);
}

}  // namespace

Status prepare_v1(Group& group, const CgroupLimits& limits) {
  GroupDirectory* cpuset = group.find("cpuset");
  if (cpuset == nullptr) return ok_status();
  TRY(fill_cpuset(cpuset->path(), "cpuset.cpus", limits.cpuset_cpus, cpuset->fresh()));
  return fill_cpuset(cpuset->path(), "cpuset.mems", limits.cpuset_mems, cpuset->fresh());
}

Status apply_v1(Group& group, const CgroupLimits& limits) {
  TRY(apply_memory(group, limits));
  TRY(apply_cpu(group, limits));
  TRY(apply_cpuset(group, limits));
  TRY(apply_pids(group, limits));
  TRY(apply_blkio(group, limits));
  TRY(apply_hugepages(group, limits));
  TRY(apply_network(group, limits));
  TRY(apply_rdma(group, limits));
  TRY(apply_devices(group, limits));
  return apply_unified_files(group, limits);
}

Result<bool> v1_frozen(GroupDirectory& freezer) {
  const uint64_t freezing = TRY(freezer.read_number("freezer.self_freezing"));
  return freezing != 0;
}

}  // namespace gabion::kernel
