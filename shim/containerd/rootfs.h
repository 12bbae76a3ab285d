// The mounts of a CreateTaskRequest, which the shim makes itself. The library then takes an overlay apart
// again and gives the container its layers, each idmapped (container/survey_mounts.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "shim/containerd/proto/common.h"
#include "shim/containerd/rootfs_ids.h"

namespace gabion::shim {

// In a worker, on `target`, in a mount namespace of the worker's own, which receives the host's mounts and
// gives it none: nothing can be left behind, whoever is killed when. No mounts: the directory is the root
// file system. `ids` are root_ids(mounts).
Status mount_rootfs(const std::vector<proto::Mount>& mounts, const std::optional<container::RootIds>& ids,
                    const std::string& target);

// mount(2) takes one page of options. The layers of an overlay, relative to the directory they share when
// that makes them fit: what to change to first ("": nothing), and the options. Pure.
struct OverlayOptions {
  std::string directory;
  std::string text;
};
Result<OverlayOptions> overlay_options(const std::vector<std::string>& options, size_t page);

}  // namespace gabion::shim
