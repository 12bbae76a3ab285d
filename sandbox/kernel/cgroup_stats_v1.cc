#include "kernel/cgroup_stats_v1.h"

#include <limits.h>
#include <unistd.h>

#include <array>

#include "base/text.h"
#include "kernel/cgroup_stats_parse.h"
#include "kernel/cgroup_stats_v2.h"

namespace gabion::kernel {
namespace {

Status read_cpu(GroupDirectory& cpu, CpuStats& stats) {
  const std::string text = TRY(cpu.read("cpu.stat"));
  stats.periods = flat_value(text, "nr_periods").value_or(0);
  stats.throttled_periods = flat_value(text, "nr_throttled").value_or(0);
  stats.throttled_ns = flat_value(text, "throttled_time").value_or(0);
  return ok_status();
}

Status read_cpuacct(GroupDirectory& cpuacct, CpuStats& stats) {
  stats.total_ns = TRY(cpuacct.read_number("cpuacct.usage"));
  // cpuacct.stat counts in ticks of sysconf(_SC_CLK_TCK); these files have nanoseconds.
  stats.user_ns = TRY(cpuacct.read_number("cpuacct.usage_user"));
  stats.kernel_ns = TRY(cpuacct.read_number("cpuacct.usage_sys"));
  const std::string all = TRY(cpuacct.read("cpuacct.usage_percpu"));
  const std::string user = TRY(cpuacct.read("cpuacct.usage_percpu_user"));
  const std::string kernel = TRY(cpuacct.read("cpuacct.usage_percpu_sys"));
  stats.per_cpu_ns = parse_numbers(all);
  stats.per_cpu_user_ns = parse_numbers(user);
  stats.per_cpu_kernel_ns = parse_numbers(kernel);
  return ok_status();
}

Status read_cpuset(GroupDirectory& cpuset, CpusetStats& stats) {
  const std::string cpus = TRY(cpuset.read("cpuset.cpus"));
  const std::string mems = TRY(cpuset.read("cpuset.mems"));
  stats.cpus = parse_cpu_list(cpus);
  stats.mems = parse_cpu_list(mems);
  stats.cpu_exclusive = TRY(cpuset.read_number("cpuset.cpu_exclusive"));
  stats.mem_exclusive = TRY(cpuset.read_number("cpuset.mem_exclusive"));
  stats.mem_hardwall = TRY(cpuset.read_number("cpuset.mem_hardwall"));
  stats.memory_migrate = TRY(cpuset.read_number("cpuset.memory_migrate"));
  stats.memory_pressure = TRY(cpuset.read_number("cpuset.memory_pressure"));
  stats.memory_spread_page = TRY(cpuset.read_number("cpuset.memory_spread_page"));
  stats.memory_spread_slab = TRY(cpuset.read_number("cpuset.memory_spread_slab"));
  stats.sched_load_balance = TRY(cpuset.read_number("cpuset.sched_load_balance"));
  const std::string level = TRY(cpuset.read("cpuset.sched_relax_domain_level"));
  stats.sched_relax_domain_level = parse_signed(trim(level)).value_or(-1);
  return ok_status();
}

// "memory", "memory.memsw", "memory.kmem": the last two depend on the kernel's configuration (kmem
// went in Linux 6.16) and stay zero without.
Status read_counter(GroupDirectory& memory, const std::string& prefix, MemoryCounter& counter) {
  const std::string usage = prefix + ".usage_in_bytes";
  if (!memory.has(usage.c_str())) return ok_status();
  counter.usage = TRY(memory.read_number(usage));
  counter.max = TRY(memory.read_number(prefix + ".max_usage_in_bytes"));
  counter.limit = TRY(memory.read_number(prefix + ".limit_in_bytes"));
  counter.failcnt = TRY(memory.read_number(prefix + ".failcnt"));
  return ok_status();
}

Status read_memory(GroupDirectory& memory, MemoryStats& stats) {
  const std::string text = TRY(memory.read("memory.stat"));
  stats.stat = parse_flat(text);
  stats.cache = value_of(stats.stat, "cache");
  stats.rss = value_of(stats.stat, "rss");
  const std::string oom = TRY(memory.read("memory.oom_control"));
  stats.oom_control.kill_disable = flat_value(oom, "oom_kill_disable").value_or(0);
  stats.oom_control.under_oom = flat_value(oom, "under_oom").value_or(0);
  stats.oom_control.kills = flat_value(oom, "oom_kill").value_or(0);
  TRY(read_counter(memory, "memory", stats.usage));
  TRY(read_counter(memory, "memory.memsw", stats.swap));
  TRY(read_counter(memory, "memory.kmem", stats.kernel));
  return read_counter(memory, "memory.kmem.tcp", stats.kernel_tcp);
}

Status read_pids(GroupDirectory& pids, PidsStats& stats) {
  stats.current = TRY(pids.read_number("pids.current"));
  const uint64_t limit = TRY(pids.read_number("pids.max"));
  stats.limit = limit == UINT64_MAX ? 0 : limit;
  return ok_status();
}

// The link that the kernel keeps by a device's number ends with its name.
std::string device_name(const BlkioEntry& entry) {
  const std::string link =
      concat({"/sys/dev/block/", std::to_string(entry.major), ":", std::to_string(entry.minor)});
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  if (size <= 0) return "";
  const std::string_view path(target.data(), static_cast<size_t>(size));
  return concat({"/dev/", path.substr(path.rfind('/') + 1)});
}

Status read_entries(GroupDirectory& blkio, const std::string& file, std::vector<BlkioEntry>& entries) {
  if (!blkio.has(file.c_str())) return ok_status();
  const std::string text = TRY(blkio.read(file));
  entries = parse_blkio(text);
  for (BlkioEntry& entry : entries) entry.device = device_name(entry);
  return ok_status();
}

Status read_blkio(GroupDirectory& blkio, BlkioStats& stats) {
  // Each I/O scheduler counts in files of its own; the first with something in it is the one at
  // work. The throttle layer counts always.
  constexpr std::array<const char*, 3> kPrefixes = {"blkio.bfq.", "blkio.", "blkio.throttle."};
  for (const std::string prefix : kPrefixes) {
    stats = BlkioStats{};
    TRY(read_entries(blkio, prefix + "io_service_bytes_recursive", stats.service_bytes));
    TRY(read_entries(blkio, prefix + "io_serviced_recursive", stats.serviced));
    if (stats.service_bytes.empty() && stats.serviced.empty()) continue;
    TRY(read_entries(blkio, prefix + "io_queued_recursive", stats.queued));
    TRY(read_entries(blkio, prefix + "io_service_time_recursive", stats.service_time));
    TRY(read_entries(blkio, prefix + "io_wait_time_recursive", stats.wait_time));
    TRY(read_entries(blkio, prefix + "io_merged_recursive", stats.merged));
    TRY(read_entries(blkio, prefix + "time_recursive", stats.time));
    return read_entries(blkio, prefix + "sectors_recursive", stats.sectors);
  }
  return ok_status();
}

Status read_hugetlb(GroupDirectory& hugetlb, std::vector<HugetlbStats>& stats) {
  for (const std::string& size : hugetlb_sizes(hugetlb, ".usage_in_bytes")) {
    const std::string prefix = concat({"hugetlb.", size});
    HugetlbStats entry{.page_size = size};
    entry.usage = TRY(hugetlb.read_number(prefix + ".usage_in_bytes"));
    entry.max = TRY(hugetlb.read_number(prefix + ".max_usage_in_bytes"));
    entry.failcnt = TRY(hugetlb.read_number(prefix + ".failcnt"));
    stats.push_back(std::move(entry));
  }
  return ok_status();
}

Status read_rdma(GroupDirectory& rdma, CgroupStats& stats) {
  const std::string current = TRY(rdma.read("rdma.current"));
  const std::string limit = TRY(rdma.read("rdma.max"));
  stats.rdma_current = parse_rdma(current);
  stats.rdma_limit = parse_rdma(limit);
  return ok_status();
}

}  // namespace

Status read_stats_v1(Group& group, CgroupStats& stats) {
  if (GroupDirectory* cpu = group.find("cpu")) TRY(read_cpu(*cpu, stats.cpu));
  if (GroupDirectory* cpuacct = group.find("cpuacct")) TRY(read_cpuacct(*cpuacct, stats.cpu));
  if (GroupDirectory* cpuset = group.find("cpuset")) TRY(read_cpuset(*cpuset, stats.cpuset));
  if (GroupDirectory* memory = group.find("memory")) TRY(read_memory(*memory, stats.memory));
  if (GroupDirectory* pids = group.find("pids")) TRY(read_pids(*pids, stats.pids));
  if (GroupDirectory* blkio = group.find("blkio")) TRY(read_blkio(*blkio, stats.blkio));
  if (GroupDirectory* hugetlb = group.find("hugetlb")) {
    TRY(read_hugetlb(*hugetlb, stats.hugetlb));
  } else if (GroupDirectory* unified = group.unified()) {
    TRY(read_hugetlb_v2(*unified, stats));
  }
  if (GroupDirectory* rdma = group.find("rdma")) TRY(read_rdma(*rdma, stats));
  return ok_status();
}

}  // namespace gabion::kernel
