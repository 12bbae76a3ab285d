// Which boot of the node a record is of.
#pragma once

#include <string>

namespace gabion::audit {

// /proc/sys/kernel/random/boot_id, random(4); "" where /proc does not show it. Read once.
const std::string& boot_id();

}  // namespace gabion::audit
