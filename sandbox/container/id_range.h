// A range of host ids for each container, from the node's range, without a daemon.
//
// One slot = one symbolic link /run/gabion/ids/<first id> whose target is the owner's state
// directory. symlink(2) fails with EEXIST when the slot is taken, so two racing creators cannot
// share one; a link whose target is gone belongs to a container whose creator was killed, and is
// taken over. Only that and the release need a short lock: a rename alone would let two creators
// that saw the same dead owner both win.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "policy/policy.h"

namespace gabion::container {

struct IdSlot {
  uint32_t base = 0;
  uint32_t size = 0;
};

inline constexpr const char* kIdDirectory = "/run/gabion/ids";

// Code::kRefused, naming the range and the fix, when every slot is in use.
Result<IdSlot> take_id_slot(const policy::IdRange& range, const std::string& state_directory,
                            const std::string& registry = kIdDirectory);
// Frees the slot if `state_directory` owns it; absent is fine.
Status release_id_slot(uint32_t base, const std::string& state_directory,
                       const std::string& registry = kIdDirectory);
// Frees every slot `state_directory` owns: for a container whose state file was never written.
Status release_all_id_slots(const std::string& state_directory, const std::string& registry = kIdDirectory);

}  // namespace gabion::container
