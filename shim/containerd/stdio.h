// Who serves the standard streams of one process: a copier (copier.h), or a logger, which takes the outputs
// by itself (logger.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "shim/containerd/copier.h"
#include "shim/containerd/stdio_address.h"

namespace gabion::shim {

class Stdio {
 public:
  // Code::kInvalid for what is no such address.
  static Result<Stdio> open(const StdioPaths& paths);

  // Where a worker takes 0, 1 and 2 from (take_streams()); -1: they are nothing. Closed here by given_away().
  [[nodiscard]] int streams() const { return terminal_ ? -1 : process(); }
  // With a terminal: where its master is to be sent; -1 without one. Closed here by given_away().
  [[nodiscard]] int console() const { return terminal_ ? process() : -1; }
  // binary://PROGRAM for both outputs, or "".
  [[nodiscard]] const std::string& logger() const { return logger_; }
  // 0: there is none.
  [[nodiscard]] pid_t copier() const { return copier_ ? copier_->pid() : 0; }
  void given_away();

  // The window's size; Code::kWrongState without a terminal, and where it cannot be set.
  [[nodiscard]] Status resize(uint32_t width, uint32_t height) const;
  void close_input();
  void process_ended();
  // Copier::has_unread(); false without one.
  [[nodiscard]] bool has_unread();

 private:
  Stdio() = default;
  Status expect_logger(const StdioPaths& paths);
  [[nodiscard]] int process() const { return copier_ ? copier_->process() : -1; }

  bool terminal_ = false;
  std::string logger_;
  std::optional<Copier> copier_;
};

}  // namespace gabion::shim
