#include "kernel/terminal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/path.h"
#include "base/text.h"

namespace gabion::kernel {

Result<Terminal> open_terminal(int devpts_root) {
  struct statfs info {};
  if (::fstatfs(devpts_root, &info) != 0) return sys_error("console: statfs of /dev/pts");
  if (info.f_type != DEVPTS_SUPER_MAGIC) {
    return make_error(Code::kInvalid,
                      "console: /dev/pts is not a devpts filesystem; process.terminal needs one");
  }
  Terminal terminal;
  terminal.master = TRY_AT(open_at(devpts_root, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW), "console");
  int unlocked = 0;
  if (::ioctl(terminal.master.get(), TIOCSPTLCK, &unlocked) != 0) return sys_error("console: unlock");
  const int slave = ::ioctl(terminal.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return sys_error("console: open the slave (TIOCGPTPEER)");
  terminal.slave = Fd(slave);
  return terminal;
}

Status resize_terminal(int terminal, uint16_t rows, uint16_t columns) {
  winsize size{};
  size.ws_row = rows;
  size.ws_col = columns;
  if (::ioctl(terminal, TIOCSWINSZ, &size) != 0) return sys_error("console: set the window size");
  return ok_status();
}

Status put_on_stdio(int slave) {
  for (int fd = 0; fd < 3; ++fd) {
    if (::dup2(slave, fd) < 0) return sys_error("console: dup2");
  }
  return ok_status();
}

Status adopt_terminal(int slave) {
  if (::ioctl(slave, TIOCSCTTY, 0) != 0) return sys_error("console: make it the controlling terminal");
  return put_on_stdio(slave);
}

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
