// linux.resources → kernel::CgroupLimits: the one place where OCI's "unset" meets the kernel's.
// Pure.
#pragma once

#include "kernel/cgroup.h"
#include "oci/spec.h"

namespace gabion::container {

// Engines send zeros for what they do not set (Docker: memory 0, shares 0, weight 0), and runc
// reads them so: zero is "absent" for memory, CPU shares, quota, periods and block weights. A
// pids limit of zero or less is "unlimited". `devices` is absent when the list is empty.
kernel::CgroupLimits cgroup_limits(const oci::Resources& resources);

// For a new group, whose devices are always ruled: what the spec allows, what every container has
// (the standard six and the terminals), and the making of the nodes in linux.devices, which init
// does inside the group. A container that keeps CAP_MKNOD may make any node, as in runc: making one
// opens nothing.
kernel::CgroupLimits create_limits(const oci::Spec& spec);

// What a container has after an update: `change` where it says something, `current` elsewhere.
oci::Resources merge_resources(const oci::Resources& current, const oci::Resources& change);

}  // namespace gabion::container
