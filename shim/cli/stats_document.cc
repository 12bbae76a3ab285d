#include "shim/cli/stats_document.h"

#include <algorithm>

namespace gabion::cli {

namespace {

using json::Value;

void set_nonzero(Value& object, const char* key, uint64_t value) {
  if (value != 0) object.set(key, Value::unsigned_integer(value));
}

template <typename List>
void set_numbers(Value& object, const char* key, const List& list) {
  if (list.empty()) return;
  Value array = Value::array();
  for (auto number : list) array.push(Value::unsigned_integer(number));
  object.set(key, std::move(array));
}

Value cpu_document(const kernel::CpuStats& cpu) {
  Value usage = Value::object();
  set_nonzero(usage, "total", cpu.total_ns);
  set_numbers(usage, "percpu", cpu.per_cpu_ns);
  set_numbers(usage, "percpu_kernel", cpu.per_cpu_kernel_ns);
  set_numbers(usage, "percpu_user", cpu.per_cpu_user_ns);
  usage.set("kernel", Value::unsigned_integer(cpu.kernel_ns));
  usage.set("user", Value::unsigned_integer(cpu.user_ns));
  Value throttling = Value::object();
  set_nonzero(throttling, "periods", cpu.periods);
  set_nonzero(throttling, "throttledPeriods", cpu.throttled_periods);
  set_nonzero(throttling, "throttledTime", cpu.throttled_ns);
  Value document = Value::object();
  document.set("usage", std::move(usage));
  document.set("throttling", std::move(throttling));
  return document;
}

Value cpuset_document(const kernel::CpusetStats& cpuset) {
  Value document = Value::object();
  set_numbers(document, "cpus", cpuset.cpus);
  document.set("cpu_exclusive", Value::unsigned_integer(cpuset.cpu_exclusive));
  set_numbers(document, "mems", cpuset.mems);
  document.set("mem_hardwall", Value::unsigned_integer(cpuset.mem_hardwall));
  document.set("mem_exclusive", Value::unsigned_integer(cpuset.mem_exclusive));
  document.set("memory_migrate", Value::unsigned_integer(cpuset.memory_migrate));
  document.set("memory_spread_page", Value::unsigned_integer(cpuset.memory_spread_page));
  document.set("memory_spread_slab", Value::unsigned_integer(cpuset.memory_spread_slab));
  document.set("memory_pressure", Value::unsigned_integer(cpuset.memory_pressure));
  document.set("sched_load_balance", Value::unsigned_integer(cpuset.sched_load_balance));
  document.set("sched_relax_domain_level", Value::integer(cpuset.sched_relax_domain_level));
  return document;
}

Value counter_document(const kernel::MemoryCounter& counter) {
  Value document = Value::object();
  document.set("limit", Value::unsigned_integer(counter.limit));
  set_nonzero(document, "usage", counter.usage);
  set_nonzero(document, "max", counter.max);
  document.set("failcnt", Value::unsigned_integer(counter.failcnt));
  return document;
}

Value memory_document(const kernel::MemoryStats& memory) {
  Value document = Value::object();
  set_nonzero(document, "cache", memory.cache);
  document.set("usage", counter_document(memory.usage));
  document.set("swap", counter_document(memory.swap));
  document.set("kernel", counter_document(memory.kernel));
  document.set("kernelTCP", counter_document(memory.kernel_tcp));
  if (!memory.stat.empty()) {
    auto sorted = memory.stat;  // Go's encoder sorts a map's keys
    std::sort(sorted.begin(), sorted.end());
    Value raw = Value::object();
    for (const auto& [key, value] : sorted) raw.set(key, Value::unsigned_integer(value));
    document.set("raw", std::move(raw));
  }
  return document;
}

void set_blkio(Value& object, const char* key, const std::vector<kernel::BlkioEntry>& entries) {
  if (entries.empty()) return;
  Value array = Value::array();
  for (const kernel::BlkioEntry& entry : entries) {
    Value item = Value::object();
    set_nonzero(item, "major", entry.major);
    set_nonzero(item, "minor", entry.minor);
    if (!entry.op.empty()) item.set("op", Value::string(entry.op));
    set_nonzero(item, "value", entry.value);
    array.push(std::move(item));
  }
  object.set(key, std::move(array));
}

Value blkio_document(const kernel::BlkioStats& blkio) {
  Value document = Value::object();
  set_blkio(document, "ioServiceBytesRecursive", blkio.service_bytes);
  set_blkio(document, "ioServicedRecursive", blkio.serviced);
  set_blkio(document, "ioQueueRecursive", blkio.queued);
  set_blkio(document, "ioServiceTimeRecursive", blkio.service_time);
  set_blkio(document, "ioWaitTimeRecursive", blkio.wait_time);
  set_blkio(document, "ioMergedRecursive", blkio.merged);
  set_blkio(document, "ioTimeRecursive", blkio.time);
  set_blkio(document, "sectorsRecursive", blkio.sectors);
  return document;
}

Value rdma_documents(const std::vector<kernel::RdmaEntry>& entries) {
  Value array = Value::array();
  for (const kernel::RdmaEntry& entry : entries) {
    Value item = Value::object();
    item.set("device", Value::string(entry.device));
    item.set("hcaHandles", Value::unsigned_integer(entry.hca_handles));
    item.set("hcaObjects", Value::unsigned_integer(entry.hca_objects));
    array.push(std::move(item));
  }
  return array;
}

}  // namespace

Value stats_document(const kernel::CgroupStats& stats) {
  Value pids = Value::object();
  set_nonzero(pids, "current", stats.pids.current);
  set_nonzero(pids, "limit", stats.pids.limit);
  Value hugetlb = Value::object();
  for (const kernel::HugetlbStats& size : stats.hugetlb) {
    Value item = Value::object();
    set_nonzero(item, "usage", size.usage);
    set_nonzero(item, "max", size.max);
    item.set("failcnt", Value::unsigned_integer(size.failcnt));
    hugetlb.set(size.page_size, std::move(item));
  }
  Value document = Value::object();
  document.set("cpu", cpu_document(stats.cpu));
  document.set("cpuset", cpuset_document(stats.cpuset));
  document.set("memory", memory_document(stats.memory));
  document.set("pids", std::move(pids));
  document.set("blkio", blkio_document(stats.blkio));
  document.set("hugetlb", std::move(hugetlb));
  if (!stats.rdma_current.empty() || !stats.rdma_limit.empty()) {
    Value rdma = Value::object();
    rdma.set("current", rdma_documents(stats.rdma_current));
    rdma.set("limit", rdma_documents(stats.rdma_limit));
    document.set("rdma", std::move(rdma));
  }
  document.set("intel_rdt", Value::object());
  document.set("network_interfaces", Value());
  return document;
}

}  // namespace gabion::cli
