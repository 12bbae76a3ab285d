#include "shim/containerd/metrics.h"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include "shim/containerd/proto/wire.h"

namespace gabion::shim {

namespace {

using proto::Writer;

void put(Writer& writer, uint32_t number, uint64_t value) {
  if (value != 0) writer.varint(number, value);
}

// The kernel's counters by their field numbers; what is not here, containerd has no field for.
struct Counter {
  std::string_view name;
  uint32_t number;
};

constexpr Counter kMemoryV1[] = {
    {"cache", 1},
    {"rss", 2},
    {"rss_huge", 3},
    {"mapped_file", 4},
    {"dirty", 5},
    {"writeback", 6},
    {"pgpgin", 7},
    {"pgpgout", 8},
    {"pgfault", 9},
    {"pgmajfault", 10},
    {"inactive_anon", 11},
    {"active_anon", 12},
    {"inactive_file", 13},
    {"active_file", 14},
    {"unevictable", 15},
    {"hierarchical_memory_limit", 16},
    {"hierarchical_memsw_limit", 17},
    {"total_cache", 18},
    {"total_rss", 19},
    {"total_rss_huge", 20},
    {"total_mapped_file", 21},
    {"total_dirty", 22},
    {"total_writeback", 23},
    {"total_pgpgin", 24},
    {"total_pgpgout", 25},
    {"total_pgfault", 26},
    {"total_pgmajfault", 27},
    {"total_inactive_anon", 28},
    {"total_active_anon", 29},
    {"total_inactive_file", 30},
    {"total_active_file", 31},
    {"total_unevictable", 32},
};

constexpr Counter kMemoryV2[] = {
    {"anon", 1},
    {"file", 2},
    {"kernel_stack", 3},
    {"slab", 4},
    {"sock", 5},
    {"shmem", 6},
    {"file_mapped", 7},
    {"file_dirty", 8},
    {"file_writeback", 9},
    {"anon_thp", 10},
    {"inactive_anon", 11},
    {"active_anon", 12},
    {"inactive_file", 13},
    {"active_file", 14},
    {"unevictable", 15},
    {"slab_reclaimable", 16},
    {"slab_unreclaimable", 17},
    {"pgfault", 18},
    {"pgmajfault", 19},
    {"workingset_nodereclaim", 22},
    {"pgrefill", 23},
    {"pgscan", 24},
    {"pgsteal", 25},
    {"pgactivate", 26},
    {"pgdeactivate", 27},
    {"pglazyfree", 28},
    {"pglazyfreed", 29},
    {"thp_fault_alloc", 30},
    {"thp_collapse_alloc", 31},
    {"workingset_refault_anon", 39},
    {"workingset_refault_file", 40},
    {"workingset_activate_anon", 41},
    {"workingset_activate_file", 42},
};

void put_counters(Writer& writer, const kernel::MemoryStats& memory, std::span<const Counter> table) {
  for (const auto& [name, value] : memory.stat) {
    const auto found = std::find_if(table.begin(), table.end(),
                                    [&name = name](const Counter& counter) { return counter.name == name; });
    if (found != table.end()) put(writer, found->number, value);
  }
}

template <typename Fill>
void put_message(Writer& writer, uint32_t number, const Fill& fill) {
  std::string inner;
  Writer nested(inner);
  fill(nested);
  writer.bytes(number, inner);
}

void put_pids(Writer& writer, uint32_t number, const kernel::PidsStats& pids) {
  put_message(writer, number, [&](Writer& out) {
    put(out, 1, pids.current);
    put(out, 2, pids.limit);
  });
}

void put_rdma(Writer& writer, uint32_t number, const kernel::CgroupStats& stats) {
  put_message(writer, number, [&](Writer& out) {
    for (const auto& [field, entries] :
         {std::pair(1U, &stats.rdma_current), std::pair(2U, &stats.rdma_limit)}) {
      for (const kernel::RdmaEntry& entry : *entries) {
        put_message(out, field, [&](Writer& one) {
          one.bytes(1, entry.device);
          put(one, 2, entry.hca_handles);
          put(one, 3, entry.hca_objects);
        });
      }
    }
  });
}

void put_memory_entry(Writer& writer, uint32_t number, const kernel::MemoryCounter& counter) {
  put_message(writer, number, [&](Writer& out) {
    put(out, 1, counter.limit);
    put(out, 2, counter.usage);
    put(out, 3, counter.max);
    put(out, 4, counter.failcnt);
  });
}

void put_block_entries(Writer& writer, uint32_t number, const std::vector<kernel::BlkioEntry>& entries) {
  for (const kernel::BlkioEntry& entry : entries) {
    put_message(writer, number, [&](Writer& out) {
      out.bytes(1, entry.op);
      put(out, 3, entry.major);
      put(out, 4, entry.minor);
      put(out, 5, entry.value);
    });
  }
}

std::string metrics_v1(const kernel::CgroupStats& stats) {
  std::string text;
  Writer writer(text);
  for (const kernel::HugetlbStats& page : stats.hugetlb) {
    put_message(writer, 1, [&](Writer& out) {
      put(out, 1, page.usage);
      put(out, 2, page.max);
      put(out, 3, page.failcnt);
      out.bytes(4, page.page_size);
    });
  }
  put_pids(writer, 2, stats.pids);
  put_message(writer, 3, [&](Writer& cpu) {
    put_message(cpu, 1, [&](Writer& usage) {
      put(usage, 1, stats.cpu.total_ns);
      put(usage, 2, stats.cpu.kernel_ns);
      put(usage, 3, stats.cpu.user_ns);
      std::string packed;
      Writer list(packed);
      for (const uint64_t value : stats.cpu.per_cpu_ns) list.bare_varint(value);
      usage.bytes(4, packed);
    });
    put_message(cpu, 2, [&](Writer& throttling) {
      put(throttling, 1, stats.cpu.periods);
      put(throttling, 2, stats.cpu.throttled_periods);
      put(throttling, 3, stats.cpu.throttled_ns);
    });
  });
  put_message(writer, 4, [&](Writer& memory) {
    put_counters(memory, stats.memory, kMemoryV1);
    put_memory_entry(memory, 33, stats.memory.usage);
    put_memory_entry(memory, 34, stats.memory.swap);
    put_memory_entry(memory, 35, stats.memory.kernel);
    put_memory_entry(memory, 36, stats.memory.kernel_tcp);
  });
  put_message(writer, 5, [&](Writer& block) {
    put_block_entries(block, 1, stats.blkio.service_bytes);
    put_block_entries(block, 2, stats.blkio.serviced);
    put_block_entries(block, 3, stats.blkio.queued);
    put_block_entries(block, 4, stats.blkio.service_time);
    put_block_entries(block, 5, stats.blkio.wait_time);
    put_block_entries(block, 6, stats.blkio.merged);
    put_block_entries(block, 7, stats.blkio.time);
    put_block_entries(block, 8, stats.blkio.sectors);
  });
  put_rdma(writer, 6, stats);
  return text;
}

// io.stat's four counters of one device, from the entries read as v1's.
struct Traffic {
  uint64_t major = 0, minor = 0, read_bytes = 0, written_bytes = 0, reads = 0, writes = 0;
};

std::vector<Traffic> traffic(const kernel::BlkioStats& block) {
  std::vector<Traffic> devices;
  auto of = [&](const kernel::BlkioEntry& entry) -> Traffic& {
    for (Traffic& device : devices) {
      if (device.major == entry.major && device.minor == entry.minor) return device;
    }
    return devices.emplace_back(Traffic{.major = entry.major, .minor = entry.minor});
  };
  for (const kernel::BlkioEntry& entry : block.service_bytes) {
    if (entry.op == "Read") of(entry).read_bytes = entry.value;
    if (entry.op == "Write") of(entry).written_bytes = entry.value;
  }
  for (const kernel::BlkioEntry& entry : block.serviced) {
    if (entry.op == "Read") of(entry).reads = entry.value;
    if (entry.op == "Write") of(entry).writes = entry.value;
  }
  return devices;
}

std::string metrics_v2(const kernel::CgroupStats& stats) {
  constexpr uint64_t kNanosecondsPerMicrosecond = 1000;
  std::string text;
  Writer writer(text);
  put_pids(writer, 1, stats.pids);
  put_message(writer, 2, [&](Writer& cpu) {
    put(cpu, 1, stats.cpu.total_ns / kNanosecondsPerMicrosecond);
    put(cpu, 2, stats.cpu.user_ns / kNanosecondsPerMicrosecond);
    put(cpu, 3, stats.cpu.kernel_ns / kNanosecondsPerMicrosecond);
    put(cpu, 4, stats.cpu.periods);
    put(cpu, 5, stats.cpu.throttled_periods);
    put(cpu, 6, stats.cpu.throttled_ns / kNanosecondsPerMicrosecond);
  });
  put_message(writer, 4, [&](Writer& memory) {
    put_counters(memory, stats.memory, kMemoryV2);
    put(memory, 32, stats.memory.usage.usage);
    put(memory, 33, stats.memory.usage.limit);
    // The counters are of memory and swap together, as v1 and runc have them.
    put(memory, 34, stats.memory.swap.usage - std::min(stats.memory.swap.usage, stats.memory.usage.usage));
    put(memory, 35,
        stats.memory.swap.limit == UINT64_MAX
            ? UINT64_MAX
            : stats.memory.swap.limit - std::min(stats.memory.swap.limit, stats.memory.usage.limit));
    put(memory, 36, stats.memory.usage.max);
  });
  put_rdma(writer, 5, stats);
  put_message(writer, 6, [&](Writer& io) {
    for (const Traffic& device : traffic(stats.blkio)) {
      put_message(io, 1, [&](Writer& out) {
        put(out, 1, device.major);
        put(out, 2, device.minor);
        put(out, 3, device.read_bytes);
        put(out, 4, device.written_bytes);
        put(out, 5, device.reads);
        put(out, 6, device.writes);
      });
    }
  });
  for (const kernel::HugetlbStats& page : stats.hugetlb) {
    put_message(writer, 7, [&](Writer& out) {
      put(out, 1, page.usage);
      put(out, 2, page.max);
      out.bytes(3, page.page_size);
      put(out, 4, page.failcnt);
    });
  }
  put_message(writer, 8, [&](Writer& events) { put(events, 5, stats.memory.usage.failcnt); });
  return text;
}

}  // namespace

proto::Any metrics(const kernel::CgroupStats& stats, kernel::CgroupMode mode) {
  if (mode == kernel::CgroupMode::kUnified) {
    return {.type_url = "io.containerd.cgroups.v2.Metrics", .value = metrics_v2(stats)};
  }
  return {.type_url = "io.containerd.cgroups.v1.Metrics", .value = metrics_v1(stats)};
}

}  // namespace gabion::shim
