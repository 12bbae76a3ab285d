// Mounts by descriptor: fsopen(2), open_tree(2), mount_setattr(2), move_mount(2).
//
// A mount is made detached, given its final attributes, and only then attached: there is no moment
// at which the container's tree shows it writable, executable or unshifted. Paths are never
// resolved here (CVE-2021-30465, CVE-2024-45310); callers hand in descriptors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::kernel {

// mount_setattr(2)'s words, plus whether the tree below follows.
struct MountAttributes {
  uint64_t set = 0;  // MOUNT_ATTR_*
  uint64_t clear = 0;
  uint64_t propagation = 0;  // MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE or 0
  bool recursive = false;
  [[nodiscard]] bool empty() const { return set == 0 && clear == 0 && propagation == 0; }
};

// A detached copy of the mount (and, if `recursive`, of what is mounted below it) that `fd` is in.
// `fd` must come from the caller's own mount namespace.
Result<Fd> clone_tree(int fd, bool recursive);

struct FilesystemOption {
  std::string key;
  std::string value;
  bool flag = false;  // no value
};
// "size=64m" → {"size", "64m"}; "ro" → flag.
FilesystemOption filesystem_option(std::string_view text);

// A new, detached instance of `type`. Errors carry the kernel's own fs context message.
Result<Fd> new_filesystem(const std::string& type, const std::string& source,
                          const std::vector<FilesystemOption>& options, uint64_t attributes);

Status set_attributes(int mount, const MountAttributes& attributes);

// Shifts the mount's ids by the user namespace behind `user_namespace` (Linux 5.12;
// MOUNT_ATTR_IDMAP). EINVAL: the filesystem cannot be idmapped; the error says so.
Status idmap(int mount, int user_namespace, bool recursive);

// Puts a detached mount on the directory or file `target` stands for, in the caller's namespace.
Status attach(int mount, int target);
// ... on the entry `name`, one component, of a directory that only the caller can change.
Status attach_at(int mount, int directory, const std::string& name);

// Takes an attached mount away again; what is open or copied stays (umount2(2), MNT_DETACH).
Status detach(int mount);

// "ext4", "overlay", "tmpfs" ...: by statfs(2) magic; "" when unknown.
std::string_view filesystem_name(int fd);

// pivot_root(2) into `root` (an attached mount) and lazy unmount of everything else.
Status pivot_into(int root);

}  // namespace gabion::kernel
