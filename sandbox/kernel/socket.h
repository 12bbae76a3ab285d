// Unix sockets, and the descriptors that travel over them.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::kernel {

// Sends `fd` over a connected unix socket with `name` as the message, as runc's console socket has it.
Status send_descriptor(int socket, int fd, const std::string& name);
// Receives one descriptor; the message text is dropped.
Result<Fd> receive_descriptor(int socket);
// Connects to a unix stream socket; paths longer than sun_path go through a directory descriptor.
Result<Fd> connect_unix(const std::string& path);

}  // namespace gabion::kernel
