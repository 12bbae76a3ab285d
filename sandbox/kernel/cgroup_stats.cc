#include "kernel/cgroup_stats.h"

#include "base/text.h"
#include "kernel/cgroup_group.h"
#include "kernel/cgroup_stats_parse.h"
#include "kernel/cgroup_stats_v1.h"
#include "kernel/cgroup_stats_v2.h"

namespace gabion::kernel {

Result<CgroupStats> read_stats(const CgroupLocation& location) {
  Group group(location);
  CgroupStats stats;
  if (group.is_unified()) {
    TRY(read_stats_v2(group, stats));
  } else {
    TRY(read_stats_v1(group, stats));
  }
  return stats;
}

}  // namespace gabion::kernel
