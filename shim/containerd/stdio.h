// The standard streams of one process, as containerd names them: a fifo (a path, or fifo://PATH), a file
// (file://PATH) or nothing (""); or binary://PROGRAM, which a worker starts when the policy names it
// (logger.h).
//
// A process without a terminal is given the fifos themselves: nothing is copied, and nothing of the shim
// stands between it and who reads. The shim keeps the other end of each open (fifo.h), so that neither side
// sees the end while containerd is restarted: standard input ends with close_input(), the output with the
// process.
// What goes to a file goes through a pipe: the process must not be able to truncate its own log.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "shim/containerd/fifo.h"
#include "shim/containerd/loop/loop.h"
#include "shim/containerd/pump.h"

namespace gabion::shim {

struct StdioPaths {
  std::string input;
  std::string output;
  std::string error;  // with a terminal: nothing
  bool terminal = false;
};

class Stdio {
 public:
  // Code::kInvalid for what is no such address.
  static Result<std::unique_ptr<Stdio>> open(Loop& loop, const StdioPaths& paths);

  Stdio(const Stdio&) = delete;
  Stdio& operator=(const Stdio&) = delete;
  ~Stdio();

  // What the process gets as 0, 1 and 2; -1: nothing. Closed here by given_away().
  [[nodiscard]] std::array<int, 3> ends_of_process() const;
  // binary://PROGRAM for both outputs, or "".
  [[nodiscard]] const std::string& logger() const { return logger_; }
  // With a terminal: where its master is to be sent; -1 without one. Closed here by given_away().
  [[nodiscard]] int console() const { return console_sender_.get(); }
  void given_away();

  // The window's size; Code::kWrongState without a terminal.
  Status resize(uint32_t width, uint32_t height);
  void close_input();
  // What it wrote is copied as far as it can be without waiting, and kept for who has not read it yet.
  void process_ended();

 private:
  explicit Stdio(Loop& loop) : loop_(loop) {}
  Status open_input(const StdioPaths& paths);
  Status open_output(const std::string& text, size_t stream, bool terminal);
  Status expect_logger(const StdioPaths& paths);
  Status expect_console();
  void take_console();
  Status pump(Fd from, Fd to);

  Loop& loop_;
  std::array<Fd, 3> process_;
  std::string logger_;
  Fd input_keeper_;  // the writing end of the input's fifo
  std::vector<std::unique_ptr<FifoKeeper>> output_keepers_;
  std::vector<std::unique_ptr<Pump>> pumps_;
  Fd console_sender_;
  Fd console_receiver_;
  Fd console_input_;  // until there is a terminal to copy to and from
  Fd console_output_;
  Fd terminal_;
};

}  // namespace gabion::shim
