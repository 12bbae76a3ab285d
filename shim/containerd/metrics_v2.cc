// containerd/cgroups, cgroup2/stats/metrics.proto.
#include <optional>

#include "shim/containerd/metrics_writer.h"

namespace gabion::shim {

namespace {

using proto::Writer;

constexpr Counter kMemory[] = {
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

constexpr Counter kMemoryEvents[] = {
    {"low", 1}, {"high", 2}, {"max", 3}, {"oom", 4}, {"oom_kill", 5}, {"oom_group_kill", 6},
};

void put_pressure_line(Writer& writer, uint32_t number, const kernel::Pressure::Line& line) {
  constexpr double kHundredths = 100;
  put_message(writer, number, [&](Writer& out) {
    for (const auto& [field, value] :
         {std::pair(1U, line.avg10), std::pair(2U, line.avg60), std::pair(3U, line.avg300)}) {
      if (value != 0) out.real(field, static_cast<double>(value) / kHundredths);
    }
    put(out, 4, line.total_us);
  });
}

void put_pressure(Writer& writer, uint32_t number, const std::optional<kernel::Pressure>& pressure) {
  if (!pressure) return;
  put_message(writer, number, [&](Writer& out) {
    put_pressure_line(out, 1, pressure->some);
    put_pressure_line(out, 2, pressure->full);
  });
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

}  // namespace

std::string metrics_v2(const kernel::CgroupStats& stats) {
  constexpr uint64_t kNanosecondsPerMicrosecond = 1000;
  std::string text;
  Writer writer(text);
  put_pids(writer, 1, stats.pids.current, stats.unified.pids_limit);
  put_message(writer, 2, [&](Writer& cpu) {
    put(cpu, 1, stats.cpu.total_ns / kNanosecondsPerMicrosecond);
    put(cpu, 2, stats.cpu.user_ns / kNanosecondsPerMicrosecond);
    put(cpu, 3, stats.cpu.kernel_ns / kNanosecondsPerMicrosecond);
    put(cpu, 4, stats.cpu.periods);
    put(cpu, 5, stats.cpu.throttled_periods);
    put(cpu, 6, stats.cpu.throttled_ns / kNanosecondsPerMicrosecond);
    put_pressure(cpu, 7, stats.unified.cpu_pressure);
    put(cpu, 8, stats.unified.bursts);
    put(cpu, 9, stats.unified.burst_us);
  });
  put_message(writer, 4, [&](Writer& memory) {
    put_counters(memory, stats.memory.stat, kMemory);
    put(memory, 32, stats.memory.usage.usage);
    put(memory, 33, stats.memory.usage.limit);
    put(memory, 34, stats.unified.swap_usage);
    put(memory, 35, stats.unified.swap_limit);
    put(memory, 36, stats.memory.usage.max);
    put(memory, 37, stats.unified.swap_max);
    put_pressure(memory, 38, stats.unified.memory_pressure);
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
    put_pressure(io, 2, stats.unified.io_pressure);
  });
  for (const kernel::HugetlbStats& page : stats.hugetlb) {
    put_message(writer, 7, [&](Writer& out) {
      put(out, 1, page.usage);
      put(out, 2, page.limit);
      out.bytes(3, page.page_size);
      put(out, 4, page.failcnt);
    });
  }
  put_message(writer, 8, [&](Writer& out) { put_counters(out, stats.unified.memory_events, kMemoryEvents); });
  return text;
}

}  // namespace gabion::shim
