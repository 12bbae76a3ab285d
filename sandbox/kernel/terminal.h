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

// Opens a pair through `ptmx` (an O_PATH or open descriptor of the instance's ptmx). The slave comes
// from TIOCGPTPEER, never from a path: a container cannot put another file in its place
// (CVE-2025-52565, CVE-2016-2779). It has its size (0: none) before anybody else can open it, and keep
// whoever sets the size waiting.
Result<Terminal> open_terminal(int devpts_root, uint16_t rows, uint16_t columns);
Status resize_terminal(int terminal, uint16_t rows, uint16_t columns);

// Puts it on descriptors 0, 1 and 2.
Status put_on_stdio(int slave);
// The same, and makes it the controlling terminal: the caller must lead a session that has none (setsid(2)).
Status adopt_terminal(int slave);

}  // namespace gabion::kernel
