// The words of OCI's mounts[].options as mount attributes. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/mount.h"

namespace gabion::kernel {

struct MountOptions {
  MountAttributes attributes;  // this mount
  MountAttributes recursive;   // "rro", "rnosuid", ...: the whole tree
  bool bind = false;
  bool recursive_bind = false;  // rbind
  bool copy_up = false;         // tmpcopyup
  bool idmap = false;
  bool recursive_idmap = false;
  std::vector<FilesystemOption> data;  // the filesystem's own
};

MountOptions parse_mount_options(const std::vector<std::string>& options);

}  // namespace gabion::kernel
