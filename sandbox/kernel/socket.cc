#include "kernel/socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "base/path.h"
#include "base/text.h"

namespace gabion::kernel {

Status send_descriptor(int socket, int fd, const std::string& name) {
  iovec text{.iov_base = const_cast<char*>(name.data()), .iov_len = name.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(rights), &fd, sizeof(int));
  while (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return sys_error("send a descriptor");
  }
  return ok_status();
}

Result<Fd> receive_descriptor(int socket) {
  char text[4096];
  iovec part{.iov_base = text, .iov_len = sizeof(text)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  while (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) < 0) {
    if (errno != EINTR) return sys_error("receive a descriptor");
  }
  const cmsghdr* rights = CMSG_FIRSTHDR(&message);
  if (rights == nullptr || rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(sizeof(int))) {
    return make_error(Code::kInternal, "the peer sent no descriptor");
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(rights), sizeof(int));
  return Fd(fd);
}

Result<Fd> connect_unix(const std::string& path) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return sys_error("unix socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string name = path;
  Fd target;
  if (path.size() >= sizeof(address.sun_path)) {
    target = TRY(open_path(path, O_PATH));
    name = concat({"/proc/self/fd/", std::to_string(target.get())});
  }
  std::memcpy(address.sun_path, name.data(), name.size());
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return sys_error(concat({"connect to ", path}));
  }
  return socket;
}

}  // namespace gabion::kernel
