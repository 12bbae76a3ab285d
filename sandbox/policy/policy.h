// A node's policy as values. policy/reader makes it from a tier and a file; harden() applies it.
// (The policy owner designs the fields; these three are relied on elsewhere.)
#pragma once

#include <cstdint>
#include <string>

namespace gabion::policy {

struct IdRange {           // the node's range from which each container gets `size` ids
  uint32_t base = 0;
  uint32_t count = 0;      // ids in all
  uint32_t size = 65536;   // ids per container
};

struct Policy {
  std::string name;        // "restricted", or the file's "name"
  std::string sha256;      // of the effective policy's text, lower-case hex
  IdRange ids;
};

}  // namespace gabion::policy
