// The field tables of `linux.resources`.
#pragma once

#include "oci/schema.h"

namespace gabion::oci {

template <typename V, Is<DeviceRule> S>
void fields(V& visitor, S& rule) {
  visitor.always("allow", rule.allow);
  visitor.field("type", rule.type);
  visitor.field("major", rule.major);
  visitor.field("minor", rule.minor);
  visitor.field("access", rule.access);
}

template <typename V, Is<MemoryResources> S>
void fields(V& visitor, S& memory) {
  visitor.field("limit", memory.limit);
  visitor.field("reservation", memory.reservation);
  visitor.field("swap", memory.swap);
  visitor.field("kernel", memory.kernel);
  visitor.field("kernelTCP", memory.kernel_tcp);
  visitor.field("swappiness", memory.swappiness);
  visitor.field("disableOOMKiller", memory.disable_oom_killer);
  visitor.field("useHierarchy", memory.use_hierarchy);
  visitor.field("checkBeforeUpdate", memory.check_before_update);
}

template <typename V, Is<CpuResources> S>
void fields(V& visitor, S& cpu) {
  visitor.field("shares", cpu.shares);
  visitor.field("quota", cpu.quota);
  visitor.field("burst", cpu.burst);
  visitor.field("period", cpu.period);
  visitor.field("realtimeRuntime", cpu.realtime_runtime);
  visitor.field("realtimePeriod", cpu.realtime_period);
  visitor.field("cpus", cpu.cpus);
  visitor.field("mems", cpu.mems);
  visitor.field("idle", cpu.idle);
}

template <typename V, Is<WeightDevice> S>
void fields(V& visitor, S& device) {
  visitor.always("major", device.major);
  visitor.always("minor", device.minor);
  visitor.field("weight", device.weight);
  visitor.field("leafWeight", device.leaf_weight);
}

template <typename V, Is<ThrottleDevice> S>
void fields(V& visitor, S& device) {
  visitor.always("major", device.major);
  visitor.always("minor", device.minor);
  visitor.always("rate", device.rate);
}

template <typename V, Is<BlockIoResources> S>
void fields(V& visitor, S& block_io) {
  visitor.field("weight", block_io.weight);
  visitor.field("leafWeight", block_io.leaf_weight);
  visitor.field("weightDevice", block_io.weight_device);
  visitor.field("throttleReadBpsDevice", block_io.throttle_read_bps_device);
  visitor.field("throttleWriteBpsDevice", block_io.throttle_write_bps_device);
  visitor.field("throttleReadIOPSDevice", block_io.throttle_read_iops_device);
  visitor.field("throttleWriteIOPSDevice", block_io.throttle_write_iops_device);
}

template <typename V, Is<HugepageLimit> S>
void fields(V& visitor, S& hugepage) {
  visitor.always("pageSize", hugepage.page_size);
  visitor.always("limit", hugepage.limit);
}

template <typename V, Is<NetworkPriority> S>
void fields(V& visitor, S& priority) {
  visitor.always("name", priority.name);
  visitor.always("priority", priority.priority);
}

template <typename V, Is<NetworkResources> S>
void fields(V& visitor, S& network) {
  visitor.field("classID", network.class_id);
  visitor.field("priorities", network.priorities);
}

template <typename V, Is<RdmaLimit> S>
void fields(V& visitor, S& rdma) {
  visitor.field("hcaHandles", rdma.hca_handles);
  visitor.field("hcaObjects", rdma.hca_objects);
}

template <typename V, Is<Resources> S>
void fields(V& visitor, S& resources) {
  visitor.field("devices", resources.devices);
  visitor.field("memory", resources.memory);
  visitor.field("cpu", resources.cpu);
  visitor.wrapped("pids", "limit", resources.pids_limit);
  visitor.field("blockIO", resources.block_io);
  visitor.field("hugepageLimits", resources.hugepage_limits);
  visitor.field("network", resources.network);
  visitor.field("rdma", resources.rdma);
  visitor.field("unified", resources.unified);
}

}  // namespace gabion::oci
