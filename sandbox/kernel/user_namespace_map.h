// Whose ids a user namespace that somebody else made has.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernel/user_namespace.h"

namespace gabion::kernel {

// The lines of a uid_map or gid_map file; what is no such line is left out.
std::vector<IdMap> parse_id_map(std::string_view text);

struct IdMaps {
  std::vector<IdMap> uids;
  std::vector<IdMap> gids;
};

// Its maps, as the caller's user namespace sees them. The kernel
// shows maps only for a process in the namespace (user_namespaces(7)), so a child enters it for a moment.
// EINVAL: the namespace is the caller's own.
Result<IdMaps> read_id_maps(int user_namespace);

}  // namespace gabion::kernel
