#include "container/start_socket.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "container/state_socket.h"

namespace gabion::container {

Result<Fd> listen_for_start(const std::string& state_directory) {
  return listen_in(state_directory, kStartSocket, 4);
}

Result<Channel> wait_for_start(int listener) {
  while (true) {
    Fd peer(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return sys_error("start socket: accept");
    }
    Channel channel(std::move(peer));
    const Result<Message> message = channel.receive();
    if (message.ok() && message->kind == MessageKind::kCommit) return channel;
  }
}

Result<Channel> connect_to_start(const std::string& state_directory) {
  Result<Fd> socket = connect_in(state_directory, kStartSocket);
  if (socket.ok()) return Channel(std::move(socket).value());
  if (socket.error().sys_errno == ECONNREFUSED || socket.error().sys_errno == ENOENT) {
    return make_error(Code::kWrongState,
                      "cannot start a container that has already been started or has stopped");
  }
  return std::move(socket).error();
}

Status await_execution(const Channel& channel) {
  bool executing = false;
  while (true) {
    const Result<Message> message = channel.receive();
    if (!message.ok()) {
      // Closed by close-on-exec: the program runs. Closed without the last word: the process died.
      if (executing) return ok_status();
      return make_error(Code::kInternal,
                        "the container's first process ended before it could execute its program");
    }
    if (message->kind == MessageKind::kExecuting) executing = true;
    if (message->kind == MessageKind::kError) {
      return Error{static_cast<Code>(message->code), message->value, message->text};
    }
  }
}

}  // namespace gabion::container
