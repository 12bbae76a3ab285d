// A word in memory that processes share: one of them holds it, and the kernel tells the others when the
// holder executes another program or dies (robust futexes, set_robust_list(2)). It does what a close-on-exec
// pipe does, without a descriptor.
#pragma once

#include <linux/futex.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace gabion::kernel {

// In the shared memory. A process that can write there can say anything with it, but nothing else: what the
// kernel follows is in the holder's own memory.
struct alignas(sizeof(robust_list)) RobustWord {
  // The holder's thread id in its own pid namespace, with the kernel's two flags; 0: released.
  std::atomic<uint32_t> value;
};

// What a word is before its holder is born: held, by no thread there can be.
constexpr uint32_t kUnborn = FUTEX_TID_MASK;

// What the calling process holds, for as long as this lives. A process has one list: of its own, never two.
class RobustHolder {
 public:
  static constexpr size_t kMost = 2;

  RobustHolder() = default;
  RobustHolder(const RobustHolder&) = delete;
  RobustHolder& operator=(const RobustHolder&) = delete;
  ~RobustHolder();

  // `words`: the first of `count` neighbours, 1 to kMost. fork(2) does not pass them on.
  Status hold(RobustWord* words, size_t count);

 private:
  // The kernel finds a word by its distance from its node, which is one number for the whole list: so the
  // nodes lie as the words do.
  robust_list_head head_{};
  robust_list nodes_[kMost]{};
};

void release(RobustWord& word);

enum class Hold { kHeld, kReleased, kGone };
// Until the word is no longer held, or `timeout_ms` have passed (then kHeld); -1: for ever. kGone: its holder
// has executed another program, or died. Neither a signal nor who writes to the word all the time puts the
// end off.
Hold wait_while_held(RobustWord& word, int timeout_ms);

}  // namespace gabion::kernel
