// What a container uses, as containerd's metrics: io.containerd.cgroups.v1.Metrics and ...v2.Metrics.
#pragma once

#include "kernel/cgroup.h"
#include "kernel/cgroup_stats.h"
#include "shim/containerd/proto/common.h"

namespace gabion::shim {

// On a hybrid host the first: the controllers are v1's.
proto::Any metrics(const kernel::CgroupStats& stats, kernel::CgroupMode mode);

}  // namespace gabion::shim
