#include "container/limits_of.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "base/text.h"

namespace gabion::container {
namespace {

template <typename T>
std::optional<T> unless_zero(const std::optional<T>& value) {
  return value && *value != 0 ? value : std::nullopt;
}

kernel::DeviceRule device_rule(const oci::DeviceRule& rule) {
  kernel::DeviceRule result;
  result.allow = rule.allow;
  result.type = rule.type.empty() ? 'a' : rule.type[0];
  result.major = rule.major.value_or(-1);
  result.minor = rule.minor.value_or(-1);
  result.read = rule.access.find('r') != std::string::npos;
  result.write = rule.access.find('w') != std::string::npos;
  result.mknod = rule.access.find('m') != std::string::npos;
  return result;
}

constexpr kernel::DeviceRule allow(char type, int64_t major, int64_t minor, bool open, bool mknod) {
  return {.allow = true,
          .type = type,
          .major = major,
          .minor = minor,
          .read = open,
          .write = open,
          .mknod = mknod};
}

// runtime-spec, "Default Devices", and the terminals below /dev/pts (devices.txt: 136 to 143; the
// kernel gives out 136 first and a container's own devpts never fills it).
constexpr kernel::DeviceRule kCommonDevices[] = {
    allow('c', 1, 3, true, true),    // null
    allow('c', 1, 5, true, true),    // zero
    allow('c', 1, 7, true, true),    // full
    allow('c', 1, 8, true, true),    // random
    allow('c', 1, 9, true, true),    // urandom
    allow('c', 5, 0, true, true),    // tty
    allow('c', 5, 2, true, true),    // ptmx
    allow('c', 136, -1, true, true)  // pts
};
constexpr kernel::DeviceRule kEveryNode[] = {allow('c', -1, -1, false, true),
                                             allow('b', -1, -1, false, true)};

bool keeps_mknod(const oci::Spec& spec) {
  if (!spec.process || !spec.process->capabilities) return false;
  const std::vector<std::string>& bounding = spec.process->capabilities->bounding;
  return std::find(bounding.begin(), bounding.end(), "CAP_MKNOD") != bounding.end();
}

std::vector<kernel::BlockThrottle> throttles(const std::vector<oci::ThrottleDevice>& devices) {
  std::vector<kernel::BlockThrottle> result;
  result.reserve(devices.size());
  for (const oci::ThrottleDevice& device : devices) {
    result.push_back({device.major, device.minor, device.rate});
  }
  return result;
}

void set_memory(const oci::MemoryResources& memory, kernel::CgroupLimits& limits) {
  limits.memory_limit = unless_zero(memory.limit);
  limits.memory_reservation = unless_zero(memory.reservation);
  limits.memory_swap = unless_zero(memory.swap);
  limits.memory_swappiness = memory.swappiness;
  limits.oom_kill_disable = memory.disable_oom_killer;
  limits.memory_check_before_update = memory.check_before_update.value_or(false);
  // kernel and kernelTCP have no effect since Linux 5.16 and are ignored, as runc does;
  // useHierarchy is always on since 5.11.
}

void set_cpu(const oci::CpuResources& cpu, kernel::CgroupLimits& limits) {
  limits.cpu_shares = unless_zero(cpu.shares);
  limits.cpu_quota = unless_zero(cpu.quota);
  limits.cpu_period = unless_zero(cpu.period);
  limits.cpu_burst = cpu.burst;
  limits.cpu_rt_runtime = unless_zero(cpu.realtime_runtime);
  limits.cpu_rt_period = unless_zero(cpu.realtime_period);
  limits.cpu_idle = cpu.idle;
  limits.cpuset_cpus = cpu.cpus;
  limits.cpuset_mems = cpu.mems;
}

void set_block_io(const oci::BlockIoResources& block, kernel::CgroupLimits& limits) {
  limits.blkio_weight = unless_zero(block.weight);
  limits.blkio_leaf_weight = unless_zero(block.leaf_weight);
  for (const oci::WeightDevice& device : block.weight_device) {
    limits.blkio_weight_device.push_back({device.major, device.minor, device.weight, device.leaf_weight});
  }
  limits.blkio_read_bps = throttles(block.throttle_read_bps_device);
  limits.blkio_write_bps = throttles(block.throttle_write_bps_device);
  limits.blkio_read_iops = throttles(block.throttle_read_iops_device);
  limits.blkio_write_iops = throttles(block.throttle_write_iops_device);
}

std::string rdma_value(const oci::RdmaLimit& limit) {
  std::string text;
  if (limit.hca_handles) text = concat({"hca_handle=", std::to_string(*limit.hca_handles)});
  if (limit.hca_objects) {
    if (!text.empty()) text += ' ';
    text += concat({"hca_object=", std::to_string(*limit.hca_objects)});
  }
  return text;
}

// --- merge ---------------------------------------------------------------------------------------

template <typename T>
void take(std::optional<T>& current, const std::optional<T>& change) {
  if (change) current = change;
}
template <typename T>
void take_nonzero(std::optional<T>& current, const std::optional<T>& change) {
  if (change && *change != 0) current = change;
}
void take(std::string& current, const std::string& change) {
  if (!change.empty()) current = change;
}

// The entry of the same device, size or name is replaced; others are added.
template <typename T, typename Same>
void take_each(std::vector<T>& current, const std::vector<T>& change, Same same) {
  for (const T& entry : change) {
    auto old =
        std::find_if(current.begin(), current.end(), [&](const T& other) { return same(other, entry); });
    if (old == current.end()) {
      current.push_back(entry);
    } else {
      *old = entry;
    }
  }
}

template <typename T>
bool same_device(const T& left, const T& right) {
  return left.major == right.major && left.minor == right.minor;
}

void merge_memory(oci::MemoryResources& current, const oci::MemoryResources& change) {
  take_nonzero(current.limit, change.limit);
  take_nonzero(current.reservation, change.reservation);
  take_nonzero(current.swap, change.swap);
  take(current.kernel, change.kernel);
  take(current.kernel_tcp, change.kernel_tcp);
  take(current.swappiness, change.swappiness);
  take(current.disable_oom_killer, change.disable_oom_killer);
  take(current.use_hierarchy, change.use_hierarchy);
  take(current.check_before_update, change.check_before_update);
}

void merge_cpu(oci::CpuResources& current, const oci::CpuResources& change) {
  take_nonzero(current.shares, change.shares);
  take_nonzero(current.quota, change.quota);
  take_nonzero(current.period, change.period);
  take(current.burst, change.burst);
  take_nonzero(current.realtime_runtime, change.realtime_runtime);
  take_nonzero(current.realtime_period, change.realtime_period);
  take(current.cpus, change.cpus);
  take(current.mems, change.mems);
  take(current.idle, change.idle);
}

void merge_block_io(oci::BlockIoResources& current, const oci::BlockIoResources& change) {
  take_nonzero(current.weight, change.weight);
  take_nonzero(current.leaf_weight, change.leaf_weight);
  take_each(current.weight_device, change.weight_device, same_device<oci::WeightDevice>);
  auto same = same_device<oci::ThrottleDevice>;
  take_each(current.throttle_read_bps_device, change.throttle_read_bps_device, same);
  take_each(current.throttle_write_bps_device, change.throttle_write_bps_device, same);
  take_each(current.throttle_read_iops_device, change.throttle_read_iops_device, same);
  take_each(current.throttle_write_iops_device, change.throttle_write_iops_device, same);
}

void merge_network(oci::NetworkResources& current, const oci::NetworkResources& change) {
  take(current.class_id, change.class_id);
  take_each(current.priorities, change.priorities,
            [](const auto& left, const auto& right) { return left.name == right.name; });
}

// Merges an optional section, which may be absent on either side.
template <typename T, typename Merge>
void take_section(std::optional<T>& current, const std::optional<T>& change, Merge merge) {
  if (!change) return;
  if (!current) current.emplace();
  merge(*current, *change);
}

}  // namespace

kernel::CgroupLimits cgroup_limits(const oci::Resources& resources) {
  kernel::CgroupLimits limits;
  if (resources.memory) set_memory(*resources.memory, limits);
  if (resources.cpu) set_cpu(*resources.cpu, limits);
  if (resources.block_io) set_block_io(*resources.block_io, limits);
  if (resources.pids_limit) limits.pids_limit = *resources.pids_limit > 0 ? *resources.pids_limit : -1;
  for (const oci::HugepageLimit& huge : resources.hugepage_limits) {
    limits.hugepages.emplace_back(huge.page_size, huge.limit);
  }
  if (resources.network) {
    limits.net_class_id = resources.network->class_id;
    for (const oci::NetworkPriority& priority : resources.network->priorities) {
      limits.net_priorities.emplace_back(priority.name, priority.priority);
    }
  }
  for (const auto& [device, limit] : resources.rdma) {
    std::string value = rdma_value(limit);
    if (!value.empty()) limits.rdma.emplace_back(device, std::move(value));
  }
  limits.unified = resources.unified;
  if (!resources.devices.empty()) {
    limits.devices.emplace();
    for (const oci::DeviceRule& rule : resources.devices) limits.devices->push_back(device_rule(rule));
  }
  return limits;
}

kernel::CgroupLimits create_limits(const oci::Spec& spec) {
  kernel::CgroupLimits limits = cgroup_limits(spec.linux_.resources.value_or(oci::Resources()));
  // A group starts with its parent's rules, which may allow everything.
  std::vector<kernel::DeviceRule> rules = {
      {.allow = false, .type = 'a', .major = -1, .minor = -1, .read = true, .write = true, .mknod = true}};
  if (limits.devices) rules.insert(rules.end(), limits.devices->begin(), limits.devices->end());
  // Last, as runc has them: a spec that denies everything still leaves /dev/null.
  rules.insert(rules.end(), std::begin(kCommonDevices), std::end(kCommonDevices));
  for (const oci::Device& device : spec.linux_.devices) {
    if (device.type == "p") continue;  // a FIFO is no device
    rules.push_back(allow(device.type == "b" ? 'b' : 'c', device.major, device.minor, false, true));
  }
  if (keeps_mknod(spec)) rules.insert(rules.end(), std::begin(kEveryNode), std::end(kEveryNode));
  limits.devices = std::move(rules);
  return limits;
}

oci::Resources merge_resources(const oci::Resources& current, const oci::Resources& change) {
  oci::Resources merged = current;
  if (!change.devices.empty()) merged.devices = change.devices;
  take_section(merged.memory, change.memory, merge_memory);
  take_section(merged.cpu, change.cpu, merge_cpu);
  take_section(merged.block_io, change.block_io, merge_block_io);
  take_section(merged.network, change.network, merge_network);
  take(merged.pids_limit, change.pids_limit);
  take_each(merged.hugepage_limits, change.hugepage_limits,
            [](const auto& left, const auto& right) { return left.page_size == right.page_size; });
  for (const auto& [device, limit] : change.rdma) merged.rdma[device] = limit;
  take_each(merged.unified, change.unified,
            [](const auto& left, const auto& right) { return left.first == right.first; });
  return merged;
}

}  // namespace gabion::container
