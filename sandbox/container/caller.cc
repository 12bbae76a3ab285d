#include "container/caller.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "kernel/socket.h"

namespace gabion::container {

Status write_pid_file(const std::string& path, pid_t pid) {
  if (path.empty()) return ok_status();
  TRY_AT(write_file_atomic(path, std::to_string(pid), 0644), "pid file");
  return ok_status();
}

Status send_pidfd(const std::string& path, const Child& child) {
  if (path.empty()) return ok_status();
  const Fd socket = TRY_AT(kernel::connect_unix(path), "pidfd socket");
  return kernel::send_descriptor(socket.get(), child.pidfd.get(), std::to_string(child.pid));
}

Status guard_descriptors(int preserve_fds) {
  // Any number: the first that is not open ends it, long before 3 + number could overflow.
  for (int number = 0; number < preserve_fds; ++number) {
    const int flags = ::fcntl(3 + number, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC) != 0) {
      return make_error(Code::kInvalid, concat({"please check that preserved-fd ", std::to_string(number),
                                                " (of ", std::to_string(preserve_fds), ") is present"}));
    }
  }
  const auto first = static_cast<unsigned>(3 + preserve_fds);
  if (::close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return sys_error("close_range");
  return ok_status();
}

}  // namespace gabion::container
