// What a container uses: read from cgroup v1 and v2 files into one shape, the one runc's
// `events --stats` and containerd's metrics are written from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kernel/cgroup.h"

namespace gabion::kernel {

struct CpuStats {
  uint64_t total_ns = 0;
  uint64_t user_ns = 0;
  uint64_t kernel_ns = 0;
  std::vector<uint64_t> per_cpu_ns;  // v1 only, by CPU number
  std::vector<uint64_t> per_cpu_user_ns;
  std::vector<uint64_t> per_cpu_kernel_ns;
  uint64_t periods = 0;
  uint64_t throttled_periods = 0;
  uint64_t throttled_ns = 0;
};

struct MemoryCounter {
  uint64_t usage = 0;  // bytes
  uint64_t max = 0;    // the highest usage seen
  uint64_t limit = 0;  // UINT64_MAX: none (v1 prints its own largest number instead)
  uint64_t failcnt = 0;
};

// memory.oom_control, v1 only.
struct OomControl {
  uint64_t kill_disable = 0;
  uint64_t under_oom = 0;
  uint64_t kills = 0;
};

struct MemoryStats {
  MemoryCounter usage;
  MemoryCounter swap;  // memory + swap, on v2 too, as runc reports it
  MemoryCounter kernel;
  MemoryCounter kernel_tcp;
  uint64_t cache = 0;
  uint64_t rss = 0;
  std::vector<std::pair<std::string, uint64_t>> stat;  // memory.stat as it stands
  OomControl oom_control;
};

struct PidsStats {
  uint64_t current = 0;
  uint64_t limit = 0;  // 0: none
};

struct BlkioEntry {
  uint64_t major = 0;
  uint64_t minor = 0;
  std::string op;  // "Read", "Write", "Sync", "Async", "Discard", "Total"; "" for plain counters
  uint64_t value = 0;
  std::string device{};  // "/dev/vda"; v1 only, and "" for one that is gone
};

struct BlkioStats {
  std::vector<BlkioEntry> service_bytes;
  std::vector<BlkioEntry> serviced;
  std::vector<BlkioEntry> queued;
  std::vector<BlkioEntry> service_time;
  std::vector<BlkioEntry> wait_time;
  std::vector<BlkioEntry> merged;
  std::vector<BlkioEntry> time;
  std::vector<BlkioEntry> sectors;
};

struct HugetlbStats {
  std::string page_size;  // "2MB"
  uint64_t usage = 0;     // bytes
  uint64_t max = 0;       // v1 only: the highest usage seen
  uint64_t limit = 0;     // v2 only; UINT64_MAX: none
  uint64_t failcnt = 0;
};

struct RdmaEntry {
  std::string device;
  uint32_t hca_handles = 0;  // UINT32_MAX: no limit
  uint32_t hca_objects = 0;
};

struct CpusetStats {
  std::vector<uint16_t> cpus;
  std::vector<uint16_t> mems;
  uint64_t cpu_exclusive = 0;
  uint64_t mem_exclusive = 0;
  uint64_t mem_hardwall = 0;
  uint64_t memory_migrate = 0;
  uint64_t memory_pressure = 0;
  uint64_t memory_spread_page = 0;
  uint64_t memory_spread_slab = 0;
  uint64_t sched_load_balance = 0;
  int64_t sched_relax_domain_level = 0;
};

// How long tasks waited for a resource: shares of the last 10, 60 and 300 s in hundredths of a percent, and
// microseconds in all.
struct Pressure {
  struct Line {
    uint64_t avg10 = 0;
    uint64_t avg60 = 0;
    uint64_t avg300 = 0;
    uint64_t total_us = 0;
  };
  Line some;
  Line full;
};

// What only v2 has, as its files stand. UINT64_MAX: "max".
struct UnifiedStats {
  uint64_t pids_limit = 0;
  uint64_t bursts = 0;
  uint64_t burst_us = 0;
  uint64_t swap_usage = 0;
  uint64_t swap_limit = 0;
  uint64_t swap_max = 0;
  std::vector<std::pair<std::string, uint64_t>> memory_events;
  std::optional<Pressure> cpu_pressure;  // absent: the kernel does not measure it
  std::optional<Pressure> memory_pressure;
  std::optional<Pressure> io_pressure;
};

// A part whose controller this host lacks stays zero or empty.
struct CgroupStats {
  CpuStats cpu;
  CpusetStats cpuset;
  MemoryStats memory;
  PidsStats pids;
  BlkioStats blkio;
  std::vector<HugetlbStats> hugetlb;
  std::vector<RdmaEntry> rdma_current;
  std::vector<RdmaEntry> rdma_limit;
  UnifiedStats unified;
};

Result<CgroupStats> read_stats(const CgroupLocation& location);

}  // namespace gabion::kernel
