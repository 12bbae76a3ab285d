// Unix sockets in a container's state directory, which only the host's root can reach. SOCK_SEQPACKET:
// messages stay whole.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::container {

Result<Fd> listen_in(const std::string& directory, std::string_view name, int backlog);
// ECONNREFUSED or ENOENT in Error::sys_errno: nobody listens there.
Result<Fd> connect_in(const std::string& directory, std::string_view name);

}  // namespace gabion::container
