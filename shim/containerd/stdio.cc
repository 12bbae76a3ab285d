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

enum class Kind { kNothing, kFifo, kFile };

struct Address {
  Kind kind = Kind::kNothing;
  std::string path;
};

bool is_logger(std::string_view text) { return text.starts_with("binary://"); }

Result<Address> parse_address(const std::string& text) {
  if (text.empty()) return Address{};
  const size_t colon = text.find("://");
  const std::string scheme = colon == std::string::npos ? "fifo" : text.substr(0, colon);
  std::string path = colon == std::string::npos ? text : text.substr(colon + 3);
  if (scheme != "fifo" && scheme != "file") {
    return make_error(Code::kInvalid, concat({"stdio: unknown scheme \"", scheme, "\" in ", text}));
  }
  path = path.substr(0, path.find('?'));
  if (path.empty() || path[0] != '/' || path.find('\0') != std::string::npos) {
    return make_error(Code::kInvalid, concat({"stdio: ", text, " is not an absolute path"}));
  }
  return Address{scheme == "file" ? Kind::kFile : Kind::kFifo, std::move(path)};
}

// For a process of the container's: programs do not expect EAGAIN.
Status make_blocking(const Fd& fd) {
  if (::fcntl(fd.get(), F_SETFL, 0) != 0) return sys_error("stdio: fcntl");
  return ok_status();
}

Result<Fd> open_log(const std::string& path) {
  return open_path(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
}

uint16_t window_side(uint32_t size) {
  return static_cast<uint16_t>(std::min<uint32_t>(size, std::numeric_limits<uint16_t>::max()));
}

}  // namespace

Result<std::unique_ptr<Stdio>> Stdio::open(Loop& loop, const StdioPaths& paths) {
  auto stdio = std::unique_ptr<Stdio>(new Stdio(loop));
  if (is_logger(paths.output) || is_logger(paths.error)) {
    TRY(stdio->expect_logger(paths));
    TRY(stdio->open_input(paths));
    return stdio;
  }
  TRY(stdio->open_input(paths));
  TRY(stdio->open_output(paths.output, 1, paths.terminal));
  if (!paths.terminal) TRY(stdio->open_output(paths.error, 2, false));
  if (paths.terminal) TRY(stdio->expect_console());
  return stdio;
}

// As containerd's shim has it: one program takes both.
Status Stdio::expect_logger(const StdioPaths& paths) {
  if (paths.terminal) {
    return make_error(Code::kUnsupported, concat({"stdio: ", paths.output, ": not with a terminal"}));
  }
  if (!is_logger(paths.output) || (!paths.error.empty() && paths.error != paths.output)) {
    return make_error(Code::kInvalid, "stdio: a logger takes both, standard output and standard error");
  }
  logger_ = paths.output;
  return ok_status();
}

Status Stdio::open_input(const StdioPaths& paths) {
  const Address address = TRY(parse_address(paths.input));
  if (address.kind == Kind::kNothing) return ok_status();
  if (address.kind == Kind::kFile) {
    return make_error(Code::kInvalid, concat({"stdio: standard input cannot be ", paths.input}));
  }
  Fd reading = TRY(open_fifo(address.path, O_RDONLY));
  input_keeper_ = TRY(open_fifo(address.path, O_WRONLY));
  if (paths.terminal) {
    console_input_ = std::move(reading);
    return ok_status();
  }
  TRY(make_blocking(reading));
  process_[0] = std::move(reading);
  return ok_status();
}

Status Stdio::open_output(const std::string& text, size_t stream, bool terminal) {
  const Address address = TRY(parse_address(text));
  if (address.kind == Kind::kNothing) return ok_status();
  Fd writing;
  if (address.kind == Kind::kFifo) {
    output_keepers_.push_back(TRY(FifoKeeper::open(loop_, address.path)));
    writing = TRY(open_fifo(address.path, O_WRONLY));
  } else {
    writing = TRY_AT(open_log(address.path), concat({"stdio: ", address.path}));
  }
  if (terminal) {
    console_output_ = std::move(writing);
    return ok_status();
  }
  if (address.kind == Kind::kFifo) {
    TRY(make_blocking(writing));
    process_[stream] = std::move(writing);
    return ok_status();
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sys_error("stdio: pipe2");
  Fd reading(ends[0]);
  process_[stream] = Fd(ends[1]);
  if (::fcntl(reading.get(), F_SETFL, O_NONBLOCK) != 0) return sys_error("stdio: fcntl");
  return pump(std::move(reading), std::move(writing));
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

std::array<int, 3> Stdio::ends_of_process() const {
  return {process_[0].get(), process_[1].get(), process_[2].get()};
}

void Stdio::given_away() {
  for (Fd& fd : process_) fd.reset();
  console_sender_.reset();
}

Status Stdio::resize(uint32_t width, uint32_t height) {
  if (!terminal_.valid()) return make_error(Code::kWrongState, "the process has no terminal");
  return kernel::resize_terminal(terminal_.get(), window_side(height), window_side(width));
}

void Stdio::close_input() { input_keeper_.reset(); }

void Stdio::process_ended() {
  if (console_receiver_.valid()) take_console();
  for (const auto& pump : pumps_) pump->drain();
  for (const auto& keeper : output_keepers_) keeper->process_ended();
}

}  // namespace gabion::shim
