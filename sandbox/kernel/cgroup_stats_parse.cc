#include "kernel/cgroup_stats_parse.h"

#include "base/text.h"

namespace gabion::kernel {
namespace {

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> result;
  for (std::string_view word : split(line, ' ')) {
    if (!word.empty()) result.push_back(word);
  }
  return result;
}

struct DeviceNumber {
  uint64_t major = 0;
  uint64_t minor = 0;
};

std::optional<DeviceNumber> parse_device(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::optional<uint64_t> major = parse_unsigned(text.substr(0, colon), UINT32_MAX);
  const std::optional<uint64_t> minor = parse_unsigned(text.substr(colon + 1), UINT32_MAX);
  if (!major || !minor) return std::nullopt;
  return DeviceNumber{*major, *minor};
}

// "key=value", "max" being UINT32_MAX.
std::optional<std::pair<std::string_view, uint64_t>> parse_pair(std::string_view word, uint64_t max) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const std::string_view text = word.substr(equals + 1);
  const std::optional<uint64_t> value = text == "max" ? std::optional(max) : parse_unsigned(text, max);
  if (!value) return std::nullopt;
  return std::pair(word.substr(0, equals), *value);
}

// "1.25" → 125: the kernel prints two decimals.
uint64_t parse_hundredths(std::string_view text) {
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos) return 0;
  const std::optional<uint64_t> whole = parse_unsigned(text.substr(0, dot), UINT32_MAX);
  const std::optional<uint64_t> rest = parse_unsigned(text.substr(dot + 1), 99);
  return whole && rest ? *whole * 100 + *rest : 0;
}

Pressure::Line parse_pressure_line(const std::vector<std::string_view>& fields) {
  Pressure::Line line;
  for (const std::string_view field : fields) {
    const size_t equals = field.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = field.substr(0, equals);
    const std::string_view value = field.substr(equals + 1);
    if (key == "avg10") line.avg10 = parse_hundredths(value);
    if (key == "avg60") line.avg60 = parse_hundredths(value);
    if (key == "avg300") line.avg300 = parse_hundredths(value);
    if (key == "total") line.total_us = parse_unsigned(value, UINT64_MAX).value_or(0);
  }
  return line;
}

}  // namespace

std::vector<std::pair<std::string, uint64_t>> parse_flat(std::string_view text) {
  std::vector<std::pair<std::string, uint64_t>> lines;
  for (std::string_view line : split(text, '\n')) {
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    const std::optional<uint64_t> value = parse_unsigned(trim(line.substr(space + 1)), UINT64_MAX);
    if (value) lines.emplace_back(line.substr(0, space), *value);
  }
  return lines;
}

std::vector<uint64_t> parse_numbers(std::string_view text) {
  std::vector<uint64_t> numbers;
  for (std::string_view word : words(trim(text))) {
    numbers.push_back(parse_unsigned(word, UINT64_MAX).value_or(0));
  }
  return numbers;
}

std::vector<uint16_t> parse_cpu_list(std::string_view text) {
  std::vector<uint16_t> numbers;
  for (std::string_view range : split(trim(text), ',')) {
    const size_t dash = range.find('-');
    const std::optional<uint64_t> first = parse_unsigned(range.substr(0, dash), UINT16_MAX);
    const std::optional<uint64_t> last =
        dash == std::string_view::npos ? first : parse_unsigned(range.substr(dash + 1), UINT16_MAX);
    if (!first || !last) continue;
    for (uint64_t number = *first; number <= *last; ++number)
      numbers.push_back(static_cast<uint16_t>(number));
  }
  return numbers;
}

std::vector<BlkioEntry> parse_blkio(std::string_view text) {
  std::vector<BlkioEntry> entries;
  for (std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> fields = words(line);
    if (fields.size() < 2) continue;
    const std::optional<DeviceNumber> device = parse_device(fields[0]);
    const std::optional<uint64_t> value = parse_unsigned(fields.back(), UINT64_MAX);
    if (!device || !value) continue;
    entries.push_back(
        {device->major, device->minor, fields.size() > 2 ? std::string(fields[1]) : "", *value});
  }
  return entries;
}

std::vector<RdmaEntry> parse_rdma(std::string_view text) {
  std::vector<RdmaEntry> entries;
  for (std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> fields = words(line);
    if (fields.size() < 2) continue;
    RdmaEntry entry;
    entry.device = fields[0];
    for (std::string_view field : fields) {
      const auto pair = parse_pair(field, UINT32_MAX);
      if (!pair) continue;
      if (pair->first == "hca_handle") entry.hca_handles = static_cast<uint32_t>(pair->second);
      if (pair->first == "hca_object") entry.hca_objects = static_cast<uint32_t>(pair->second);
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

void parse_io_stat(std::string_view text, BlkioStats& stats) {
  for (std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> fields = words(line);
    if (fields.empty()) continue;
    const std::optional<DeviceNumber> device = parse_device(fields[0]);
    if (!device) continue;
    for (std::string_view field : fields) {
      const auto pair = parse_pair(field, UINT64_MAX);
      if (!pair) continue;
      const std::string_view key = pair->first;
      const auto entry = [&device, value = pair->second](const char* op) {
        return BlkioEntry{device->major, device->minor, op, value};
      };
      if (key == "rbytes") stats.service_bytes.push_back(entry("Read"));
      if (key == "wbytes") stats.service_bytes.push_back(entry("Write"));
      if (key == "dbytes") stats.service_bytes.push_back(entry("Discard"));
      if (key == "rios") stats.serviced.push_back(entry("Read"));
      if (key == "wios") stats.serviced.push_back(entry("Write"));
      if (key == "dios") stats.serviced.push_back(entry("Discard"));
    }
  }
}

Pressure parse_pressure(std::string_view text) {
  Pressure pressure;
  for (const std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> fields = words(line);
    if (fields.empty()) continue;
    if (fields[0] == "some") pressure.some = parse_pressure_line(fields);
    if (fields[0] == "full") pressure.full = parse_pressure_line(fields);
  }
  return pressure;
}

uint64_t value_of(const std::vector<std::pair<std::string, uint64_t>>& lines, std::string_view key) {
  for (const auto& [name, value] : lines) {
    if (name == key) return value;
  }
  return 0;
}

}  // namespace gabion::kernel
