#include "shim/containerd/stdio.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace gabion::shim {

namespace {

uint16_t window_side(uint32_t size) {
  return static_cast<uint16_t>(std::min<uint32_t>(size, std::numeric_limits<uint16_t>::max()));
}

}  // namespace

Result<Stdio> Stdio::open(const StdioPaths& paths) {
  Stdio stdio;
  TRY(stdio.expect_logger(paths));
  stdio.terminal_ = paths.terminal;
  const bool outputs = stdio.logger_.empty() && (!paths.output.empty() || !paths.error.empty());
  if (paths.terminal || !paths.input.empty() || outputs) stdio.copier_ = TRY(Copier::start(paths));
  return stdio;
}

// As containerd's shim has it: one program takes both.
Status Stdio::expect_logger(const StdioPaths& paths) {
  const StdioAddress output = TRY(parse_stdio_address(paths.output));
  const StdioAddress error = TRY(parse_stdio_address(paths.error));
  constexpr auto kLogger = StdioAddress::Kind::kLogger;
  if (output.kind != kLogger && error.kind != kLogger) return ok_status();
  if (paths.terminal) {
    return make_error(Code::kUnsupported, concat({"stdio: ", paths.output, ": not with a terminal"}));
  }
  if (output.kind != kLogger || (!paths.error.empty() && paths.error != paths.output)) {
    return make_error(Code::kInvalid, "stdio: a logger takes both, standard output and standard error");
  }
  logger_ = paths.output;
  return ok_status();
}

void Stdio::given_away() {
  if (copier_) copier_->given_away();
}

Status Stdio::resize(uint32_t width, uint32_t height) const {
  if (!terminal_) return make_error(Code::kWrongState, "the process has no terminal");
  return copier_->resize(window_side(height), window_side(width));
}

void Stdio::close_input() {
  if (copier_) copier_->close_input();
}

void Stdio::process_ended() {
  if (copier_) copier_->process_ended();
}

bool Stdio::has_unread() { return copier_ && copier_->has_unread(); }

}  // namespace gabion::shim
