// An engine's overlay: mounted, or taken apart and rebuilt from idmapped layers, since overlayfs itself
// cannot be idmapped (EINVAL).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::kernel {

struct OverlayLayout {
  std::vector<std::string> lower;  // top first
  std::string upper;               // "": a read-only overlay
  std::string work;
};

// From a mountinfo super-options field or what was given to mount(2) ("rw,lowerdir=/a:/b,upperdir=/u,
// workdir=/w"): \ooo escapes of mountinfo and \: of overlayfs undone. Pure.
Result<OverlayLayout> parse_overlay_options(std::string_view options);

// The layout of the overlay mounted at `fd`; relative layers (Docker, when its option string grows
// beyond a page) are below `relative_base`.
Result<OverlayLayout> overlay_layout(int fd, const std::string& relative_base);

// Covers `target` with what such an overlay shows, its upper layer the topmost lower one: nobody can write to
// it, so that overlayfs makes no work directory and writes nothing back when it goes.
Status mount_overlay_view(const OverlayLayout& layout, int target);

// Detached, private copies of the layers' mounts: made once, in the caller's mount namespace.
struct OverlayLayers {
  std::vector<Fd> lower;  // top first
  Fd common;              // the parent directory of upper and work, when writable
  std::string upper_name;
  std::string work_name;
};
Result<OverlayLayers> open_layers(const OverlayLayout& layout);

// A detached, read-only overlay; an upper layer becomes the topmost lower. `stage` is an empty directory:
// the layers are attached there, so the caller must be in a mount namespace of its own from which nothing
// propagates.
Result<Fd> build_read_only_overlay(OverlayLayers layers, int user_namespace, const std::string& stage);
// A detached, writable overlay whose upper directory keeps unshifted ids on disk, so that the
// container can be started again with another id range. Runs with fsuid = `root_uid`,
// fsgid = `root_gid` (the container's root outside): overlayfs remembers the mounter's credentials
// and would find its idmapped upper unmapped otherwise (EOVERFLOW, a silently read-only mount).
Result<Fd> build_writable_overlay(OverlayLayers layers, int user_namespace, unsigned root_uid,
                                  unsigned root_gid, const std::string& stage);
// Covers the directory `lower` with an overlay of itself and a fresh directory above: nosuid, nodev, noexec.
// Before Linux 6.15 all three must be on attached mounts.
Status mount_volatile_overlay(int lower, int upper, int work);

}  // namespace gabion::kernel
