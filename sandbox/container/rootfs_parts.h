// What the files that build a container's tree share. Private to container/.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "container/plan.h"
#include "container/rootfs.h"

namespace gabion::container {

// Directories and files made inside the container's mounts belong to the container's root; below an
// idmapped mount no one else even has an id (EOVERFLOW). Capabilities that setfsuid(2) clears from
// the effective set are raised again, and all is put back on every way out. A process that is in the
// container's user namespace already is that root.
class ContainerIds {
 public:
  explicit ContainerIds(const NamespacePlan& namespaces);
  ContainerIds(const ContainerIds&) = delete;
  ContainerIds& operator=(const ContainerIds&) = delete;
  ~ContainerIds();

 private:
  bool active_;
};

// One tmpfs behind all volatile paths, one pair of directories in it for each. It is attached at the stage
// where it can be: older kernels copy and overlay nothing else, and closing a mount that was never attached
// waits for an RCU grace period of its own.
class Scratch {
 public:
  Status add(const Plan& plan, const BuiltRoot& built, const MountOp& op);

 private:
  [[nodiscard]] Result<Fd> make_directory(const std::string& name) const;
  Fd tmpfs_;
  int next_ = 0;
};

Status attach_mount(const Plan& plan, const BuiltRoot& built, MountOp& op, Scratch& scratch);

// For Owner::kContainer: the nodes of plan.devices in a filesystem of the host. In one that belongs to a
// user namespace nobody can make a device, and none can be opened.
Result<Fd> make_device_store(const Plan& plan);

// Device nodes and the links of /dev. A read-only /dev is writable until they are made.
Status make_devices(const Plan& plan, const BuiltRoot& built);

}  // namespace gabion::container
