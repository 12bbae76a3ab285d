#include "shim/containerd/metrics.h"

#include <algorithm>
#include <string>

#include "shim/containerd/metrics_writer.h"

namespace gabion::shim {

void put_counters(proto::Writer& writer, const std::vector<std::pair<std::string, uint64_t>>& counters,
                  std::span<const Counter> table) {
  for (const auto& [name, value] : counters) {
    const auto found = std::find_if(table.begin(), table.end(),
                                    [&name = name](const Counter& counter) { return counter.name == name; });
    if (found != table.end()) put(writer, found->number, value);
  }
}

void put_pids(proto::Writer& writer, uint32_t number, uint64_t current, uint64_t limit) {
  put_message(writer, number, [&](proto::Writer& out) {
    put(out, 1, current);
    put(out, 2, limit);
  });
}

void put_rdma(proto::Writer& writer, uint32_t number, const kernel::CgroupStats& stats) {
  put_message(writer, number, [&](proto::Writer& out) {
    for (const auto& [field, entries] :
         {std::pair(1U, &stats.rdma_current), std::pair(2U, &stats.rdma_limit)}) {
      for (const kernel::RdmaEntry& entry : *entries) {
        put_message(out, field, [&](proto::Writer& one) {
          one.bytes(1, entry.device);
          put(one, 2, entry.hca_handles);
          put(one, 3, entry.hca_objects);
        });
      }
    }
  });
}

proto::Any metrics(const kernel::CgroupStats& stats, kernel::CgroupMode mode) {
  if (mode == kernel::CgroupMode::kUnified) {
    return {.type_url = "io.containerd.cgroups.v2.Metrics", .value = metrics_v2(stats)};
  }
  return {.type_url = "io.containerd.cgroups.v1.Metrics", .value = metrics_v1(stats)};
}

}  // namespace gabion::shim
