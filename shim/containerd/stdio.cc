#include "shim/containerd/stdio.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "base/path.h"
#include "base/text.h"
#include "kernel/socket.h"
#include "kernel/terminal.h"

namespace gabion::shim {

namespace {

Result<Fd> open_log(const std::string& path) {
  return open_path(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
}

uint16_t window_side(uint32_t size) {
  return static_cast<uint16_t>(std::min<uint32_t>(size, std::numeric_limits<uint16_t>::max()));
}

}  // namespace

Result<std::unique_ptr<Stdio>> Stdio::open(Loop& loop, const StdioPaths& paths) {
  auto stdio = std::unique_ptr<Stdio>(new Stdio(loop));
  TRY(stdio->expect_logger(paths));
  if (paths.terminal) {
    TRY(stdio->open_terminal(paths));
  } else if (!paths.input.empty() ||
             (stdio->logger_.empty() && (!paths.output.empty() || !paths.error.empty()))) {
    stdio->copier_ = TRY(Copier::start(paths));
  }
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

Status Stdio::open_terminal(const StdioPaths& paths) {
  const StdioAddress input = TRY(parse_stdio_address(paths.input));
  const StdioAddress output = TRY(parse_stdio_address(paths.output));
  using Kind = StdioAddress::Kind;
  if (input.kind == Kind::kFifo) {
    console_input_ = TRY(open_fifo(input.path, O_RDONLY));
    input_keeper_ = TRY(open_fifo(input.path, O_WRONLY));
  } else if (input.kind != Kind::kNothing) {
    return make_error(Code::kInvalid, concat({"stdio: standard input cannot be ", paths.input}));
  }
  if (output.kind == Kind::kFifo) {
    Fd keeper = TRY(open_fifo(output.path, O_RDONLY));
    console_output_ = TRY(open_fifo(output.path, O_WRONLY));
    output_keeper_ = std::make_unique<FifoKeeper>(loop_, output.path, std::move(keeper));
  } else if (output.kind == Kind::kFile) {
    console_output_ = TRY_AT(open_log(output.path), concat({"stdio: ", output.path}));
  }
  return expect_console();
}

Status Stdio::pump(Fd from, Fd to) {
  pumps_.push_back(std::make_unique<Pump>(loop_, std::move(from), std::move(to)));
  return pumps_.back()->start();
}

Status Stdio::expect_console() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return sys_error("console: socketpair");
  console_receiver_ = Fd(ends[0]);
  console_sender_ = Fd(ends[1]);
  if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return sys_error("console: fcntl");
  return loop_.watch(console_receiver_.get(), EPOLLIN, [this](uint32_t) { take_console(); });
}

void Stdio::take_console() {
  Result<Fd> master = kernel::receive_descriptor(console_receiver_.get());
  loop_.forget(console_receiver_.get());
  console_receiver_.reset();
  if (!master.ok() || ::fcntl(master->get(), F_SETFL, O_NONBLOCK) != 0) return;
  terminal_ = std::move(master).value();
  auto copy = [this] { return Fd(::fcntl(terminal_.get(), F_DUPFD_CLOEXEC, 3)); };
  if (console_output_.valid()) (void)pump(copy(), std::move(console_output_));
  if (console_input_.valid()) (void)pump(std::move(console_input_), copy());
}

Stdio::~Stdio() {
  if (console_receiver_.valid()) loop_.forget(console_receiver_.get());
}

void Stdio::given_away() {
  if (copier_) copier_->given_away();
  console_sender_.reset();
}

Status Stdio::resize(uint32_t width, uint32_t height) {
  if (!terminal_.valid()) return make_error(Code::kWrongState, "the process has no terminal");
  return kernel::resize_terminal(terminal_.get(), window_side(height), window_side(width));
}

void Stdio::close_input() {
  input_keeper_.reset();
  if (copier_) copier_->close_input();
}

void Stdio::process_ended() {
  if (copier_) copier_->process_ended();
  if (console_receiver_.valid()) take_console();
  for (const auto& pump : pumps_) pump->drain();
  if (output_keeper_ != nullptr) output_keeper_->written();
}

}  // namespace gabion::shim
