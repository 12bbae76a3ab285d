// The standard streams of one process. With a terminal the shim copies between it and containerd's fifos by
// itself: the container has the other side of the terminal, and nothing of the fifos. Without one a copier
// does (copier.h), and a logger takes the outputs by itself (logger.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "shim/containerd/copier.h"
#include "shim/containerd/fifo.h"
#include "shim/containerd/loop/loop.h"
#include "shim/containerd/pump.h"
#include "shim/containerd/stdio_address.h"

namespace gabion::shim {

class Stdio {
 public:
  // Code::kInvalid for what is no such address.
  static Result<std::unique_ptr<Stdio>> open(Loop& loop, const StdioPaths& paths);

  Stdio(const Stdio&) = delete;
  Stdio& operator=(const Stdio&) = delete;
  ~Stdio();

  // Where a worker takes 0, 1 and 2 from (take_streams()); -1: they are nothing. Closed here by given_away().
  [[nodiscard]] int streams() const { return copier_ ? copier_->streams() : -1; }
  // binary://PROGRAM for both outputs, or "".
  [[nodiscard]] const std::string& logger() const { return logger_; }
  // With a terminal: where its master is to be sent; -1 without one. Closed here by given_away().
  [[nodiscard]] int console() const { return console_sender_.get(); }
  void given_away();

  // The window's size; Code::kWrongState without a terminal.
  Status resize(uint32_t width, uint32_t height);
  void close_input();
  // What it wrote to a terminal is copied as far as it can be without waiting; else kept for who has not read
  // it yet.
  void process_ended();

 private:
  explicit Stdio(Loop& loop) : loop_(loop) {}
  Status open_terminal(const StdioPaths& paths);
  Status expect_logger(const StdioPaths& paths);
  Status expect_console();
  void take_console();
  Status pump(Fd from, Fd to);

  Loop& loop_;
  std::optional<Copier> copier_;
  std::string logger_;
  std::vector<std::unique_ptr<Pump>> pumps_;
  Fd input_keeper_;  // the writing end of the input's fifo
  std::unique_ptr<FifoKeeper> output_keeper_;
  Fd console_sender_;
  Fd console_receiver_;
  Fd console_input_;  // until there is a terminal to copy to and from
  Fd console_output_;
  Fd terminal_;
};

}  // namespace gabion::shim
