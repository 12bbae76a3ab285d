#include "kernel/terminal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/path.h"

namespace gabion::kernel {

Result<Terminal> open_terminal(int devpts_root, uint16_t rows, uint16_t columns) {
  struct statfs info {};
  if (::fstatfs(devpts_root, &info) != 0) return sys_error("console: statfs of /dev/pts");
  if (info.f_type != DEVPTS_SUPER_MAGIC) {
    return make_error(Code::kInvalid,
                      "console: /dev/pts is not a devpts filesystem; process.terminal needs one");
  }
  Terminal terminal;
  terminal.master = TRY_AT(open_at(devpts_root, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW), "console");
  if (rows != 0 || columns != 0) TRY(resize_terminal(terminal.master.get(), rows, columns));
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

}  // namespace gabion::kernel
