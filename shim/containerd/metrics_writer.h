// What metrics_v1.cc and metrics_v2.cc have in common: fields that are zero are left out, as proto3 has it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/cgroup_stats.h"
#include "shim/containerd/proto/wire.h"

namespace gabion::shim {

inline void put(proto::Writer& writer, uint32_t number, uint64_t value) {
  if (value != 0) writer.varint(number, value);
}

template <typename Fill>
void put_message(proto::Writer& writer, uint32_t number, const Fill& fill) {
  std::string inner;
  proto::Writer nested(inner);
  fill(nested);
  writer.bytes(number, inner);
}

// The kernel's counters by their field numbers; what is not here, containerd has no field for.
struct Counter {
  std::string_view name;
  uint32_t number;
};
void put_counters(proto::Writer& writer, const std::vector<std::pair<std::string, uint64_t>>& counters,
                  std::span<const Counter> table);
void put_pids(proto::Writer& writer, uint32_t number, uint64_t current, uint64_t limit);
void put_rdma(proto::Writer& writer, uint32_t number, const kernel::CgroupStats& stats);

// io.containerd.cgroups.v1.Metrics and ...v2.Metrics.
std::string metrics_v1(const kernel::CgroupStats& stats);
std::string metrics_v2(const kernel::CgroupStats& stats);

}  // namespace gabion::shim
