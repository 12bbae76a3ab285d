// The registry of id ranges (container/id_range.h), looked at without a change. Private to node/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gabion::node {

struct Slot {
  std::string name;     // "1879048192": the first id
  std::string owner;    // the state directory
  bool orphan = false;  // that directory is gone
};

// Of a registry that is missing: none.
std::vector<Slot> read_slots(const std::string& registry);

// The names in a directory but "." and "..", sorted; of one that cannot be read, none.
std::vector<std::string> names_in(const std::string& directory);

// The first id of the slot `id` belongs to; slots begin at `base` and are `size` ids each.
uint32_t slot_of(uint32_t id, uint32_t base, uint32_t size);

}  // namespace gabion::node
