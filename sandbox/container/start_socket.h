// Where a created container waits for `start`: a socket in the state directory, which only the host's
// root can reach. Also carries the answer: an exec error travels back, success is the closed socket.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "container/channel.h"

namespace gabion::container {

inline constexpr const char* kStartSocket = "start.sock";

Result<Fd> listen_for_start(const std::string& state_directory);
// In the waiting process: returns when someone has sent kCommit. Peers that say nothing are ignored.
Result<Channel> wait_for_start(int listener);
// In `start`: Code::kWrongState when no one waits any more.
Result<Channel> connect_to_start(const std::string& state_directory);

// After kCommit, on either kind of channel: done when the process has executed its program, or the
// error it met.
Status await_execution(const Channel& channel);

}  // namespace gabion::container
