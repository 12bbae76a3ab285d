// Limits on cgroup2. Internal to kernel/cgroup*.
#pragma once

#include <string_view>

#include "base/result.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_group.h"

namespace gabion::kernel {

// Turns on every controller the hierarchy has for the group, in cgroup.subtree_control of each
// ancestor. One that cannot be is an error only when `limits` needs it.
Status enable_controllers(Group& group, const CgroupLimits& limits);
Status apply_v2(Group& group, const CgroupLimits& limits);

// On a hybrid host: what goes to its cgroup2 hierarchy.
Status apply_hugepages_v2(Group& group, const CgroupLimits& limits);
Status apply_unified_files(Group& group, const CgroupLimits& limits);

// A page size becomes part of a file name: "2MB", "1GB", "64KB" and nothing else.
Status check_page_size(std::string_view size);

}  // namespace gabion::kernel
