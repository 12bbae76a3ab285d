// What a process can tell of the host it is on.
#pragma once

#include <string>

#include "base/result.h"

namespace gabion::probe {

// The uid outside that uid 0 has, as the parent user namespace counts; "" when it has none.
Result<std::string> host_id_of_root();

// The kernel's first user namespace is the process's own.
bool in_hosts_user_namespace();

// The number of the namespace behind /proc/self/ns/<name>; 0 when it cannot be read.
unsigned long namespace_number(const std::string& name);

}  // namespace gabion::probe
