// The mounts of a CreateTaskRequest, which the shim makes itself. The library gives the container the layers
// of an overlay, each idmapped (kernel/overlay.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "shim/containerd/proto/common.h"
#include "shim/containerd/rootfs_ids.h"

namespace gabion::shim {

struct RootMounts {
  std::vector<proto::Mount> mounts;       // none: the directory is the root file system
  std::optional<container::RootIds> ids;  // root_ids(mounts)
  bool shifted = false;  // the root may be idmapped: by a range of ids of its own, or by `ids`
};

// In a worker, on `target`, in a mount namespace of the worker's own, which receives the host's mounts and
// gives it none: nothing can be left behind, whoever is killed when. Of an overlay that may be taken apart
// anyway only a view is mounted.
Result<std::optional<container::RootView>> mount_rootfs(const RootMounts& root, const std::string& target);

// mount(2) takes one page of options. The layers of an overlay, relative to the directory they share when
// that makes them fit: what to change to first ("": nothing), and the options. Pure.
struct OverlayOptions {
  std::string directory;
  std::string text;
};
Result<OverlayOptions> overlay_options(const std::vector<std::string>& options, size_t page);

}  // namespace gabion::shim
