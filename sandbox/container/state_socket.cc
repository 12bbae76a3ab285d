#include "container/state_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "base/path.h"
#include "base/text.h"

namespace gabion::container {
namespace {

// sun_path holds 108 bytes and state directories are longer; /proc/self/fd/N/NAME never is.
sockaddr_un address_in(int directory, std::string_view name) {
  const std::string path = concat({"/proc/self/fd/", std::to_string(directory), "/", name});
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<Fd> new_socket(std::string_view name) {
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return sys_error(std::string(name));
  return socket;
}

}  // namespace

Result<Fd> listen_in(const std::string& directory, std::string_view name, int backlog) {
  const Fd place = TRY(open_path(directory, O_PATH | O_DIRECTORY));
  const sockaddr_un address = address_in(place.get(), name);
  Fd socket = TRY(new_socket(name));
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return sys_error(concat({name, ": bind"}));
  }
  if (::listen(socket.get(), backlog) != 0) return sys_error(concat({name, ": listen"}));
  return socket;
}

Result<Fd> connect_in(const std::string& directory, std::string_view name) {
  const Fd place = TRY(open_path(directory, O_PATH | O_DIRECTORY));
  const sockaddr_un address = address_in(place.get(), name);
  Fd socket = TRY(new_socket(name));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return sys_error(concat({name, ": connect"}));
  }
  return socket;
}

}  // namespace gabion::container
