// tmpcopyup: what an image has in a directory, copied into the fresh filesystem that will cover it.
#pragma once

#include "base/result.h"

namespace gabion::container {

// Copies the content of the directory `from` (open for reading) into `to`: directories, regular files,
// symbolic links and FIFOs with their owners, modes and times; `to` itself takes the mode and owner of
// `from`. No link is followed, and nothing is opened that can block. A socket is left out: without the
// process that listens it means nothing. Errors: a device node, more than 64 levels or 65536 entries
// (Code::kInvalid); a full filesystem (ENOSPC).
Status copy_up(int from, int to);

}  // namespace gabion::container
