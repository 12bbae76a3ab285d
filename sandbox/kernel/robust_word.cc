#include "kernel/robust_word.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

namespace gabion::kernel {

namespace {

static_assert(sizeof(RobustWord) == sizeof(robust_list), "nodes and words lie at the same distances");
static_assert(std::atomic<uint32_t>::is_always_lock_free);

// Not FUTEX_PRIVATE_FLAG: the word is another process's too, and the kernel wakes without it.
long futex(RobustWord& word, int operation, uint32_t value, const timespec* timeout) {
  return ::syscall(SYS_futex, &word.value, operation, value, timeout, nullptr, 0);
}

}  // namespace

RobustHolder::~RobustHolder() {
  if (head_.list.next != nullptr) (void)::syscall(SYS_set_robust_list, nullptr, sizeof(head_));
}

Status RobustHolder::hold(RobustWord* words, size_t count) {
  for (size_t i = 0; i < count; ++i) nodes_[i].next = i + 1 < count ? &nodes_[i + 1] : &head_.list;
  head_.list.next = &nodes_[0];
  head_.futex_offset = reinterpret_cast<intptr_t>(&words[0]) - reinterpret_cast<intptr_t>(&nodes_[0]);
  if (::syscall(SYS_set_robust_list, &head_, sizeof(head_)) != 0) return sys_error("set_robust_list");
  const auto thread = static_cast<uint32_t>(::syscall(SYS_gettid));
  for (size_t i = 0; i < count; ++i) {
    uint32_t before = words[i].value.load();
    // Who waits already stays known.
    while (!words[i].value.compare_exchange_weak(before, thread | (before & FUTEX_WAITERS))) {
    }
  }
  return ok_status();
}

void release(RobustWord& word) {
  if ((word.value.exchange(0) & FUTEX_WAITERS) != 0) (void)futex(word, FUTEX_WAKE, INT32_MAX, nullptr);
}

Hold wait_while_held(RobustWord& word, int timeout_ms) {
  const int64_t deadline = monotonic_ns() + timeout_ms * 1'000'000LL;
  while (true) {
    uint32_t seen = word.value.load();
    if ((seen & FUTEX_TID_MASK) == 0) return (seen & FUTEX_OWNER_DIED) != 0 ? Hold::kGone : Hold::kReleased;
    const int64_t left = deadline - monotonic_ns();
    if (timeout_ms >= 0 && left <= 0) return Hold::kHeld;
    const timespec timeout{.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    // The kernel wakes nobody where this bit is not set.
    if ((seen & FUTEX_WAITERS) == 0 && !word.value.compare_exchange_strong(seen, seen | FUTEX_WAITERS))
      continue;
    (void)futex(word, FUTEX_WAIT, seen | FUTEX_WAITERS, timeout_ms < 0 ? nullptr : &timeout);
  }
}

}  // namespace gabion::kernel
