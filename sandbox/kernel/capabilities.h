// Capability sets: names, and giving the calling process exactly the sets it may keep.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace gabion::kernel {

using CapabilitySet = uint64_t;  // bit n = capability n of capabilities(7)

struct CapabilitySets {
  CapabilitySet bounding = 0;
  CapabilitySet effective = 0;
  CapabilitySet permitted = 0;
  CapabilitySet inheritable = 0;
  CapabilitySet ambient = 0;
};

// "CAP_CHOWN" → 0; nullopt for a name this libcap does not know.
std::optional<unsigned> capability_number(std::string_view name);
// Every capability of the running kernel (/proc/sys/kernel/cap_last_cap).
CapabilitySet all_capabilities();

// Drops everything outside `bounding` from the bounding set. Needs CAP_SETPCAP.
Status limit_bounding_set(CapabilitySet bounding);
// Sets effective, permitted and inheritable at once, then the ambient set. A capability asked for
// that the process does not have is an error, not a silent loss.
Status set_capabilities(const CapabilitySets& sets);
// Drops everything outside `keep` from the permitted and the effective set.
Status limit_permitted(CapabilitySet keep);
// Effective := permitted, after setfsuid(2) or setresuid(2) has cleared it.
Status raise_all_permitted();

}  // namespace gabion::kernel
