// Limits on cgroup v1 hierarchies, and on the cgroup2 one of a hybrid host for what v1 lacks.
// Internal to kernel/cgroup*.
#pragma once

#include "base/result.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_group.h"

namespace gabion::kernel {

// What a new group needs before a process can join: cpuset's CPUs and memory nodes, copied down the
// path from the first ancestor that has them (cpuset(7): a task cannot join an empty set).
Status prepare_v1(Group& group, const CgroupLimits& limits);
Status apply_v1(Group& group, const CgroupLimits& limits);

// freezer.self_freezing of the `freezer` directory.
Result<bool> v1_frozen(GroupDirectory& freezer);

}  // namespace gabion::kernel
