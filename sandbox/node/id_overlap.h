// Whether the ids of containers are anybody else's: the texts of passwd(5), group(5), subuid(5) and
// subgid(5) against a range. Pure: no file is read here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.h"

namespace gabion::node {

// Ids somebody has: [first, first + count).
struct TakenIds {
  uint64_t first = 0;
  uint64_t count = 1;
  std::string owner;  // "user www-data", "/etc/subuid: alice"
};

// Lines that are none are left out, as libc leaves them out.
std::vector<TakenIds> read_passwd_ids(std::string_view text);  // uid and group of every user
std::vector<TakenIds> read_group_ids(std::string_view text);
// `name` is what owners are called after: "/etc/subuid".
std::vector<TakenIds> read_subordinate_ids(std::string_view text, std::string_view name);

// Those that share an id with the range.
std::vector<TakenIds> overlapping(const std::vector<TakenIds>& taken, const policy::IdRange& range);

// A base for a range as large, on a multiple of its size, that nobody has: the lowest from 2^20 on, which
// leaves the distributions' ids alone. nullopt when there is none.
std::optional<uint32_t> free_base(const std::vector<TakenIds>& taken, const policy::IdRange& range);

}  // namespace gabion::node
