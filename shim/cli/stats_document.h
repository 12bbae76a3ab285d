// `events`: runc's JSON for what a container uses.
#pragma once

#include "base/json.h"
#include "kernel/cgroup_stats.h"

namespace gabion::cli {

// The "data" of a stats event. Zero counters that runc leaves out are left out.
json::Value stats_document(const kernel::CgroupStats& stats);

}  // namespace gabion::cli
