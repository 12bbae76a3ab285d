// Copies from one descriptor to another, without waiting and with no memory of its own while both keep pace.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "shim/containerd/loop/loop.h"

namespace gabion::shim {

class Pump {
 public:
  // Both O_NONBLOCK; `to` may also be a regular file.
  Pump(Loop& loop, Fd from, Fd to);
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;
  ~Pump();

  Status start();
  // Nothing more comes, or can go.
  [[nodiscard]] bool done() const { return !from_.valid(); }
  // The destination is full.
  [[nodiscard]] bool waits() const { return !done() && !unwritten_.empty(); }
  // Copies what there is, at the destination's pace, and waits for no more.
  void finish();

 private:
  enum class Copied { kSome, kNothing, kNobody, kLast };

  void readable();
  void writable();
  void wait_for_room();
  void wait_for_somebody();
  void copy_rest();
  Copied copy_once();
  bool flush();
  void stop();

  Loop& loop_;
  Fd from_;
  Fd to_;
  std::string unwritten_;  // the destination is full: nothing is read meanwhile
  bool finishing_ = false;
  int chunks_left_ = 0;  // while finishing
  int64_t pause_ms_ = 0;
  uint64_t timer_ = 0;  // 0: none
};

}  // namespace gabion::shim
