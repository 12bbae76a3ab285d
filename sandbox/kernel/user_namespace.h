// User namespaces and their id maps.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::kernel {

struct IdMap {
  uint32_t inside = 0;
  uint32_t outside = 0;
  uint32_t size = 0;
};

// "inside outside size\n" lines, as uid_map takes them.
std::string id_map_text(const std::vector<IdMap>& map);
// What `id` inside is outside; the id itself when `map` is empty; 65534 (overflow) when unmapped.
uint32_t map_to_host(const std::vector<IdMap>& map, uint32_t id);

// A new user namespace, kept alive by the returned descriptor only. A short-lived child is needed:
// only a process can own a new user namespace, and idmapped mounts want its descriptor before the
// container's first process has entered it.
Result<Fd> create_user_namespace(const std::vector<IdMap>& uids, const std::vector<IdMap>& gids);

// Writes 0 to every user.max_*_namespaces of the caller's user namespace, so that nothing inside can
// make another namespace whatever seccomp says. `proc_sys_user` is a procfs's sys/user directory.
// The caller must still hold CAP_SYS_RESOURCE in that user namespace.
Status forbid_nested_namespaces(int proc_sys_user);

}  // namespace gabion::kernel
