// Statistics of cgroup2. Internal to kernel/cgroup*.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernel/cgroup_group.h"
#include "kernel/cgroup_stats.h"

namespace gabion::kernel {

Status read_stats_v2(Group& group, CgroupStats& stats);

// "2MB", "1GB": the page sizes of the hugetlb files in `directory` that end in `suffix`
// (".usage_in_bytes", ".current"), reservations left out.
std::vector<std::string> hugetlb_sizes(GroupDirectory& directory, std::string_view suffix);
Status read_hugetlb_v2(GroupDirectory& directory, CgroupStats& stats);

}  // namespace gabion::kernel
