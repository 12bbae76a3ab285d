#include "node/id_overlap.h"

#include <algorithm>

#include "base/text.h"

namespace gabion::node {
namespace {

constexpr uint64_t kLowest = uint64_t{1} << 20;

bool overlaps(const TakenIds& taken, uint64_t first, uint64_t count) {
  return count > 0 && taken.first < first + count && first < taken.first + taken.count;
}

void add_single(std::vector<TakenIds>& ids, std::string_view id, std::string_view kind,
                std::string_view name) {
  const std::optional<uint64_t> number = parse_unsigned(id, UINT32_MAX);
  if (number) ids.push_back({*number, 1, concat({kind, " ", name})});
}

}  // namespace

std::vector<TakenIds> read_passwd_ids(std::string_view text) {
  std::vector<TakenIds> ids;
  for (std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> fields = split(line, ':');
    if (fields.size() < 4) continue;
    add_single(ids, fields[2], "user", fields[0]);
    add_single(ids, fields[3], "the group of user", fields[0]);
  }
  return ids;
}

std::vector<TakenIds> read_group_ids(std::string_view text) {
  std::vector<TakenIds> ids;
  for (std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> fields = split(line, ':');
    if (fields.size() >= 3) add_single(ids, fields[2], "group", fields[0]);
  }
  return ids;
}

std::vector<TakenIds> read_subordinate_ids(std::string_view text, std::string_view name) {
  std::vector<TakenIds> ids;
  for (std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> fields = split(trim(line), ':');
    if (fields.size() != 3) continue;
    const std::optional<uint64_t> first = parse_unsigned(fields[1], UINT32_MAX);
    const std::optional<uint64_t> count = parse_unsigned(fields[2], UINT32_MAX);
    if (first && count && *count > 0) ids.push_back({*first, *count, concat({name, ": ", fields[0]})});
  }
  return ids;
}

std::vector<TakenIds> overlapping(const std::vector<TakenIds>& taken, const policy::IdRange& range) {
  std::vector<TakenIds> found;
  std::copy_if(taken.begin(), taken.end(), std::back_inserter(found),
               [&](const TakenIds& ids) { return overlaps(ids, range.base, range.count); });
  return found;
}

std::optional<uint32_t> free_base(const std::vector<TakenIds>& taken, const policy::IdRange& range) {
  if (range.size == 0 || range.count == 0) return std::nullopt;
  const auto aligned = [&](uint64_t id) { return (id + range.size - 1) / range.size * range.size; };
  // The lowest free base follows what is taken, or is the first of all.
  std::vector<uint64_t> candidates = {aligned(kLowest)};
  for (const TakenIds& ids : taken) candidates.push_back(aligned(std::max(kLowest, ids.first + ids.count)));
  std::sort(candidates.begin(), candidates.end());
  for (const uint64_t base : candidates) {
    if (base + range.count > UINT32_MAX) break;
    const bool free = std::none_of(taken.begin(), taken.end(),
                                   [&](const TakenIds& ids) { return overlaps(ids, base, range.count); });
    if (free) return static_cast<uint32_t>(base);
  }
  return std::nullopt;
}

}  // namespace gabion::node
