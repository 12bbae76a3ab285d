// The formats of cgroup statistics files, cgroup-v1/*.rst and cgroup-v2.rst. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/cgroup_stats.h"

namespace gabion::kernel {

// "key value" lines; others are skipped.
std::vector<std::pair<std::string, uint64_t>> parse_flat(std::string_view text);
// "1 2 3".
std::vector<uint64_t> parse_numbers(std::string_view text);
// "0-2,5" → 0 1 2 5; nothing for what is no such list.
std::vector<uint16_t> parse_cpu_list(std::string_view text);
// "8:0 Read 12" and "8:0 12" lines; v1's "Total 12" line without a device is skipped.
std::vector<BlkioEntry> parse_blkio(std::string_view text);
// "mlx5_0 hca_handle=2 hca_object=max".
std::vector<RdmaEntry> parse_rdma(std::string_view text);
// io.stat, "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...", into v1's shape.
void parse_io_stat(std::string_view text, BlkioStats& stats);

// cpu.pressure: "some avg10=0.12 avg60=0.00 avg300=0.00 total=34", and the same of "full".
Pressure parse_pressure(std::string_view text);

// The value of `key` in parsed "key value" lines; 0 when absent.
uint64_t value_of(const std::vector<std::pair<std::string, uint64_t>>& lines, std::string_view key);

}  // namespace gabion::kernel
