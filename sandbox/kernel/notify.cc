#include "kernel/notify.h"

#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

namespace gabion::kernel::seccomp {

Result<Listener> Listener::adopt(Fd fd) {
  seccomp_notif_sizes sizes{};
  if (::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) {
    return sys_error("seccomp: ask for the sizes of notifications");
  }
  // The kernel writes and reads messages of its own size, we look at ours: each needs room.
  return Listener(std::move(fd), std::max<size_t>(sizes.seccomp_notif, sizeof(seccomp_notif)),
                  std::max<size_t>(sizes.seccomp_notif_resp, sizeof(seccomp_notif_resp)));
}

bool Listener::has_ended(short events) { return (events & (POLLHUP | POLLNVAL)) != 0; }

Result<std::optional<Notification>> Listener::receive() {
  while (true) {
    // The kernel refuses a buffer that is not zero (EINVAL), and has filled it the last time.
    std::fill(notification_.begin(), notification_.end(), std::byte{0});
    if (::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_RECV, notification_.data()) == 0) break;
    // Woken for a call whose caller a signal ended before we looked.
    if (errno == ENOENT) return std::optional<Notification>();
    if (errno != EINTR) return sys_error("seccomp: receive a notification");
  }
  seccomp_notif message{};
  std::memcpy(&message, notification_.data(), sizeof(message));
  Notification seen;
  seen.id = message.id;
  seen.pid = static_cast<pid_t>(message.pid);
  seen.nr = message.data.nr;
  seen.arch = message.data.arch;
  std::copy(std::begin(message.data.args), std::end(message.data.args), seen.args.begin());
  seen.instruction_pointer = message.data.instruction_pointer;
  return std::optional<Notification>(seen);
}

bool Listener::still_valid(uint64_t id) const {
  // EINTR: a signal came while another task held the listener's lock, which says nothing of the caller.
  while (::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

Status Listener::deny(uint64_t id, int error_number) { return answer(id, error_number, 0); }

Status Listener::let_continue(uint64_t id) { return answer(id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE); }

Status Listener::answer(uint64_t id, int error_number, uint32_t flags) {
  seccomp_notif_resp message{};
  message.id = id;
  message.error = -error_number;
  message.flags = flags;
  std::fill(response_.begin(), response_.end(), std::byte{0});
  std::memcpy(response_.data(), &message, sizeof(message));
  while (::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_SEND, response_.data()) != 0) {
    // Killed, or a signal took the call back: nobody waits for this answer.
    if (errno == ENOENT) return ok_status();
    if (errno != EINTR) return sys_error("seccomp: answer a notification");
  }
  return ok_status();
}

}  // namespace gabion::kernel::seccomp
