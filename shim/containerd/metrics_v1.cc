// containerd/cgroups, cgroup1/stats/metrics.proto.
#include "shim/containerd/metrics_writer.h"

namespace gabion::shim {

namespace {

using proto::Writer;

constexpr Counter kMemory[] = {
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
      out.bytes(2, entry.device);
      put(out, 3, entry.major);
      put(out, 4, entry.minor);
      put(out, 5, entry.value);
    });
  }
}

}  // namespace

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
  put_pids(writer, 2, stats.pids.current, stats.pids.limit);
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
    put_counters(memory, stats.memory.stat, kMemory);
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
  put_message(writer, 9, [&](Writer& control) {
    put(control, 1, stats.memory.oom_control.kill_disable);
    put(control, 2, stats.memory.oom_control.under_oom);
    put(control, 3, stats.memory.oom_control.kills);
  });
  return text;
}

}  // namespace gabion::shim
