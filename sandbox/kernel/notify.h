// The listening end of a seccomp filter: calls that its program answered with SECCOMP_RET_USER_NOTIF wait
// here for an answer (seccomp_unotify(2)).
//
// Never a way to decide what is allowed: a caller that shares its memory changes the arguments after they
// were looked at. let_continue() is for calls that every other filter allows already, since the kernel
// takes the strictest answer of all filters and SECCOMP_RET_ERRNO is stricter than SECCOMP_RET_USER_NOTIF.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::kernel::seccomp {

// For load(), beside NEW_LISTENER (Linux 5.19; newer than Debian 12's headers): a call that has been received
// waits through every signal but a fatal one. Without it a signal interrupts the wait, and calls that never
// fail with EINTR do.
inline constexpr uint32_t kWaitKillableRecv = 1U << 5;

struct Notification {
  uint64_t id = 0;  // of this wait; an answer names it
  pid_t pid = 0;    // the calling thread, as the receiver's pid namespace numbers it; 0: it is not in there
  int nr = 0;
  uint32_t arch = 0;  // AUDIT_ARCH_*
  std::array<uint64_t, 6> args{};
  uint64_t instruction_pointer = 0;
};

class Listener {
 public:
  // `fd` is what load() returned, or what another process sent of it. Asks the kernel for the sizes of its
  // messages: they may be larger than those this was compiled with (SECCOMP_GET_NOTIF_SIZES).
  static Result<Listener> adopt(Fd fd);

  // For poll(2): POLLIN when a call waits, POLLHUP when no task has the filter any longer (Linux 5.9).
  [[nodiscard]] int fd() const { return fd_.get(); }
  // Whether poll(2) has said the latter. POLLERR says nothing but that a signal came while another task held
  // the listener's lock: ask again. A listener that is closed then leaves the filter without one, and its
  // place to whoever of its tasks asks for it (SECCOMP_FILTER_FLAG_NEW_LISTENER).
  static bool has_ended(short events);

  // The next call that waits; blocks when there is none. nullopt: the caller was killed meanwhile.
  Result<std::optional<Notification>> receive();

  // False when the caller is gone: then its pid may be another process's. To be asked after anything that
  // was found by the pid, and before it is believed.
  [[nodiscard]] bool still_valid(uint64_t id) const;

  // The call fails with `error_number` (1 to 4095) and has no effect. A caller that is gone needs no answer:
  // that is no error.
  Status deny(uint64_t id, int error_number);
  // The call is made as if this filter had allowed it.
  Status let_continue(uint64_t id);

 private:
  Listener(Fd fd, size_t notification_size, size_t response_size)
      : fd_(std::move(fd)), notification_(notification_size), response_(response_size) {}
  Status answer(uint64_t id, int error_number, uint32_t flags);

  Fd fd_;
  std::vector<std::byte> notification_;
  std::vector<std::byte> response_;
};

}  // namespace gabion::kernel::seccomp
