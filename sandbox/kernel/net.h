// The container's network namespace: only loopback is ours to bring up, the engine does the rest.
#pragma once

#include "base/result.h"

namespace gabion::kernel {

// Sets "lo" up in the caller's network namespace by one rtnetlink(7) request.
Status bring_loopback_up();

}  // namespace gabion::kernel
