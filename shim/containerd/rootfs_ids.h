// The id maps of a user-namespaced pod, as containerd's snapshotters say them: pseudo-options of the root
// file system's mounts, uidmap=CONTAINER:HOST:SIZE[,...] and gidmap=. They mean layers with the image's own
// ids, to be shown through idmapped mounts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "container/container.h"
#include "shim/containerd/proto/common.h"

namespace gabion::shim {

bool is_id_map(std::string_view option);

// Absent: no mount has any. Code::kInvalid for what are no maps, or not the same ones for all. Pure.
Result<std::optional<container::RootIds>> root_ids(const std::vector<proto::Mount>& mounts);

// The snapshotter gives the upper directory the pod's ids, because its users idmap the lower layers alone.
// Here all of them are idmapped, so it must have the ids that are on disk below it.
Status restore_owner(const std::string& upper, const container::RootIds& ids);

}  // namespace gabion::shim
