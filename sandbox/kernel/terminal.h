// The container's console: a pseudo-terminal of the container's own devpts instance.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::kernel {

struct Terminal {
  Fd master;
  Fd slave;
};

// Opens a pair of the devpts instance whose root that descriptor is. The slave comes from TIOCGPTPEER, never
// from a path: a container cannot put another file in its place (CVE-2025-52565, CVE-2016-2779). The size (0,
// 0: none) is set before anybody else can open the terminal, and keep whoever sets it waiting.
Result<Terminal> open_terminal(int devpts_root, uint16_t rows, uint16_t columns);
Status resize_terminal(int terminal, uint16_t rows, uint16_t columns);

// Puts it on descriptors 0, 1 and 2.
Status put_on_stdio(int slave);
// The same, and makes it the controlling terminal: the caller must lead a session that has none (setsid(2)).
Status adopt_terminal(int slave);

}  // namespace gabion::kernel
