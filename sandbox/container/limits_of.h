// linux.resources → kernel::CgroupLimits: the one place where OCI's "unset" meets the kernel's.
// Pure.
#pragma once

#include "kernel/cgroup.h"
#include "oci/spec.h"

namespace gabion::container {

// Engines send zeros for what they do not set (Docker: memory 0, shares 0, weight 0), and runc
// reads them so: zero is "absent" for memory, CPU shares, quota, periods and block weights. A
// pids limit of zero or less is "unlimited". `devices` is absent when the list is empty: `update`
// leaves devices alone then, and `create` adds the rules every container needs.
kernel::CgroupLimits cgroup_limits(const oci::Resources& resources);

// What a container has after an update: `change` where it says something, `current` elsewhere.
oci::Resources merge_resources(const oci::Resources& current, const oci::Resources& change);

}  // namespace gabion::container
