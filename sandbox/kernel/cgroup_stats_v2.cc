#include "kernel/cgroup_stats_v2.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/path.h"
#include "base/text.h"
#include "kernel/cgroup_stats_parse.h"

namespace gabion::kernel {
namespace {

Status read_cpu(GroupDirectory& group, CpuStats& stats, UnifiedStats& unified) {
  // cpu.stat is there without the controller too, with usage only.
  const std::string text = TRY(group.read("cpu.stat"));
  auto micro = [&](std::string_view key) { return flat_value(text, key).value_or(0) * 1000; };
  stats.total_ns = micro("usage_usec");
  stats.user_ns = micro("user_usec");
  stats.kernel_ns = micro("system_usec");
  stats.periods = flat_value(text, "nr_periods").value_or(0);
  stats.throttled_periods = flat_value(text, "nr_throttled").value_or(0);
  stats.throttled_ns = micro("throttled_usec");
  unified.bursts = flat_value(text, "nr_bursts").value_or(0);
  unified.burst_us = flat_value(text, "burst_usec").value_or(0);
  return ok_status();
}

// Not there without CONFIG_PSI, and not readable (EOPNOTSUPP) where it is switched off.
std::optional<Pressure> read_pressure(GroupDirectory& group, const char* file) {
  if (!group.has(file)) return std::nullopt;
  const Result<std::string> text = group.read(file);
  return text.ok() ? std::optional(parse_pressure(*text)) : std::nullopt;
}

// A file of a later kernel, or of a controller that is off, leaves the value alone.
Status read_if_there(GroupDirectory& group, const std::string& file, uint64_t& value) {
  if (!group.has(file.c_str())) return ok_status();
  value = TRY(group.read_number(file));
  return ok_status();
}

uint64_t add_limits(uint64_t left, uint64_t right) {
  return left > UINT64_MAX - right ? UINT64_MAX : left + right;
}

Status read_memory(GroupDirectory& group, MemoryStats& stats, UnifiedStats& unified) {
  if (!group.has("memory.current")) return ok_status();
  const std::string text = TRY(group.read("memory.stat"));
  stats.stat = parse_flat(text);
  stats.cache = value_of(stats.stat, "file");
  stats.rss = value_of(stats.stat, "anon");
  stats.usage.usage = TRY(group.read_number("memory.current"));
  stats.usage.limit = TRY(group.read_number("memory.max"));
  TRY(read_if_there(group, "memory.peak", stats.usage.max));  // Linux 5.19
  const std::string events = TRY(group.read("memory.events"));
  stats.usage.failcnt = flat_value(events, "max").value_or(0);
  unified.memory_events = parse_flat(events);
  // v1 counts memory and swap together; so do the engines' readers of these fields.
  if (!group.has("memory.swap.current")) return ok_status();
  unified.swap_usage = TRY(group.read_number("memory.swap.current"));
  unified.swap_limit = TRY(group.read_number("memory.swap.max"));
  TRY(read_if_there(group, "memory.swap.peak", unified.swap_max));  // Linux 6.5
  stats.swap.usage = stats.usage.usage + unified.swap_usage;
  stats.swap.limit = add_limits(stats.usage.limit, unified.swap_limit);
  stats.swap.max = stats.usage.max + unified.swap_max;
  return ok_status();
}

Status read_pids(GroupDirectory& group, PidsStats& stats, UnifiedStats& unified) {
  if (!group.has("pids.current")) return ok_status();
  stats.current = TRY(group.read_number("pids.current"));
  unified.pids_limit = TRY(group.read_number("pids.max"));
  stats.limit = unified.pids_limit == UINT64_MAX ? 0 : unified.pids_limit;
  return ok_status();
}

Status read_cpuset(GroupDirectory& group, CpusetStats& stats) {
  if (!group.has("cpuset.cpus.effective")) return ok_status();
  const std::string cpus = TRY(group.read("cpuset.cpus.effective"));
  const std::string mems = TRY(group.read("cpuset.mems.effective"));
  stats.cpus = parse_cpu_list(cpus);
  stats.mems = parse_cpu_list(mems);
  return ok_status();
}

Status read_io(GroupDirectory& group, BlkioStats& stats) {
  if (!group.has("io.stat")) return ok_status();
  const std::string text = TRY(group.read("io.stat"));
  parse_io_stat(text, stats);
  return ok_status();
}

Status read_rdma(GroupDirectory& group, CgroupStats& stats) {
  if (!group.has("rdma.current")) return ok_status();
  const std::string current = TRY(group.read("rdma.current"));
  const std::string limit = TRY(group.read("rdma.max"));
  stats.rdma_current = parse_rdma(current);
  stats.rdma_limit = parse_rdma(limit);
  return ok_status();
}

}  // namespace

std::vector<std::string> hugetlb_sizes(GroupDirectory& directory, std::string_view suffix) {
  constexpr std::string_view kPrefix = "hugetlb.";
  std::vector<std::string> sizes;
  Result<Fd> listing = open_path(directory.path(), O_RDONLY | O_DIRECTORY);
  DIR* files = listing.ok() ? ::fdopendir(listing->get()) : nullptr;
  if (files == nullptr) return sizes;
  (void)listing->release();  // closedir(3) closes it
  while (const dirent* entry = ::readdir(files)) {
    const std::string_view name(entry->d_name);
    if (!name.starts_with(kPrefix) || !name.ends_with(suffix)) continue;
    if (name.size() <= kPrefix.size() + suffix.size()) continue;
    const std::string_view size = name.substr(kPrefix.size(), name.size() - kPrefix.size() - suffix.size());
    // "2MB.rsvd" is the reservations' file, "2MB.max" the peak's (v1's max_usage_in_bytes has no dot).
    if (size.find('.') == std::string_view::npos) sizes.emplace_back(size);
  }
  (void)::closedir(files);
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

Status read_hugetlb_v2(GroupDirectory& directory, CgroupStats& stats) {
  for (const std::string& size : hugetlb_sizes(directory, ".current")) {
    const std::string prefix = concat({"hugetlb.", size});
    HugetlbStats entry{.page_size = size};
    entry.usage = TRY(directory.read_number(prefix + ".current"));
    entry.limit = TRY(directory.read_number(prefix + ".max"));
    const std::string events = TRY(directory.read(prefix + ".events"));
    entry.failcnt = flat_value(events, "max").value_or(0);
    stats.hugetlb.push_back(std::move(entry));
  }
  return ok_status();
}

Status read_stats_v2(Group& group, CgroupStats& stats) {
  GroupDirectory* unified = group.unified();
  if (unified == nullptr) return make_error(Code::kNotFound, "the container has no cgroup");
  TRY(read_cpu(*unified, stats.cpu, stats.unified));
  TRY(read_cpuset(*unified, stats.cpuset));
  TRY(read_memory(*unified, stats.memory, stats.unified));
  TRY(read_pids(*unified, stats.pids, stats.unified));
  stats.unified.cpu_pressure = read_pressure(*unified, "cpu.pressure");
  stats.unified.memory_pressure = read_pressure(*unified, "memory.pressure");
  stats.unified.io_pressure = read_pressure(*unified, "io.pressure");
  TRY(read_io(*unified, stats.blkio));
  TRY(read_hugetlb_v2(*unified, stats));
  return read_rdma(*unified, stats);
}

}  // namespace gabion::kernel
