// Statistics of cgroup v1 controllers. Internal to kernel/cgroup*.
#pragma once

#include "base/result.h"
#include "kernel/cgroup_group.h"
#include "kernel/cgroup_stats.h"

namespace gabion::kernel {

Status read_stats_v1(Group& group, CgroupStats& stats);

}  // namespace gabion::kernel
