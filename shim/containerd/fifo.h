// The fifos of a process's standard streams, whose other ends are containerd's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "shim/containerd/loop/loop.h"

namespace gabion::shim {

// One end, without waiting for the other (fifo(7)). ENXIO: for writing, and nobody
// reads. Code::kInvalid where it is no fifo.
Result<Fd> open_fifo(const std::string& path, int flags);

// Keeps what a process writes until somebody has read it. containerd opens its end in its own time, and again
// after it was started anew: open(2) for reading waits for a writer, who may have come and gone by then, and
// what was written goes with the last descriptor of the fifo. So the reading end is open while the process
// is, and after that a writing end, until there is a reader and nothing is left to read: then that one reads
// the end. Who opens it and goes away without reading is no reader.
class FifoKeeper {
 public:
  // `reading`: open_fifo() of the path.
  FifoKeeper(Loop& loop, std::string path, Fd reading)
      : loop_(loop), path_(std::move(path)), reading_(std::move(reading)) {}
  FifoKeeper(const FifoKeeper&) = delete;
  FifoKeeper& operator=(const FifoKeeper&) = delete;
  ~FifoKeeper();

  // Nothing is written any more.
  void written();
  // Somebody has read it, or nobody ever will: the fifo's name is gone.
  [[nodiscard]] bool done() const { return !reading_.valid() && !writing_.valid(); }
  // Some of what was written has not been read.
  [[nodiscard]] bool has_unread() const;

 private:
  void look_for_reader();

  Loop& loop_;
  std::string path_;
  Fd reading_;
  Fd writing_;
  bool has_reader_ = false;
  int64_t pause_ms_ = 0;
  uint64_t timer_ = 0;  // 0: none
};

}  // namespace gabion::shim
