// What create, run and exec owe whoever called them.
#pragma once

#include <string>

#include "base/result.h"
#include "container/spawn.h"

namespace gabion::container {

// The descriptors 3 .. 3+count-1 must be the caller's and open; every other inherited one is marked
// close-on-exec (a containerd 1.6 shim leaks its listening socket into `create`).
Status guard_descriptors(int preserve_fds);

// --pid-file and --pidfd-socket, of a container's first process and of exec's; "" is none.
Status write_pid_file(const std::string& path, pid_t pid);
Status send_pidfd(const std::string& path, const Child& child);

}  // namespace gabion::container
