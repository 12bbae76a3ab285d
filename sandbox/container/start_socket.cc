#include "container/start_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/path.h"
#include "base/text.h"

namespace gabion::container {

namespace {

// sun_path holds 108 bytes and state directories are longer; /proc/self/fd/N/start.sock never is.
Result<sockaddr_un> address_in(int directory) {
  const std::string path = concat({"/proc/self/fd/", std::to_string(directory), "/", kStartSocket});
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace

Result<Fd> listen_for_start(const std::string& state_directory) {
  const Fd directory = TRY(open_path(state_directory, O_PATH | O_DIRECTORY));
  const sockaddr_un address = TRY(address_in(directory.get()));
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return sys_error("start socket");
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return sys_error("start socket: bind");
  }
  if (::listen(socket.get(), 4) != 0) return sys_error("start socket: listen");
  return socket;
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
  const Fd directory = TRY(open_path(state_directory, O_PATH | O_DIRECTORY));
  const sockaddr_un address = TRY(address_in(directory.get()));
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return sys_error("start socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno == ECONNREFUSED || errno == ENOENT) {
      return make_error(Code::kWrongState,
                        "cannot start a container that has already been started or has stopped");
    }
    return sys_error("start socket: connect");
  }
  return Channel(std::move(socket));
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
