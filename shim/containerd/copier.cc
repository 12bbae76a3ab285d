#include "shim/containerd/copier.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/path.h"
#include "base/text.h"
#include "kernel/socket.h"
#include "shim/containerd/fifo.h"

namespace gabion::shim {

namespace {

using Kind = StdioAddress::Kind;

// The most that words the copier has not taken yet may take of the socket's buffer, in the kernel's bytes;
// the rest is kept for kCloseInput.
constexpr int kMostQueued = 64 << 10;

Result<CopiedInput> open_input(const std::string& text) {
  const StdioAddress address = TRY(parse_stdio_address(text));
  if (address.kind == Kind::kNothing) return CopiedInput{};
  if (address.kind != Kind::kFifo) {
    return make_error(Code::kInvalid, concat({"stdio: standard input cannot be ", text}));
  }
  CopiedInput input;
  input.reading = TRY(open_fifo(address.path, O_RDONLY));
  input.keeper = TRY(open_fifo(address.path, O_WRONLY));
  return input;
}

Result<CopiedOutput> open_output(const std::string& text) {
  const StdioAddress address = TRY(parse_stdio_address(text));
  CopiedOutput output;
  if (address.kind == Kind::kFifo) {
    output.fifo = address.path;
    output.keeper = TRY(open_fifo(address.path, O_RDONLY));
    output.writing = TRY(open_fifo(address.path, O_WRONLY));
  } else if (address.kind == Kind::kFile) {
    constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
    output.writing = TRY_AT(open_path(address.path, kFlags, 0600), concat({"stdio: ", address.path}));
  }
  return output;
}

Result<std::pair<Fd, Fd>> socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return sys_error("stdio: socketpair");
  return std::pair(Fd(ends[0]), Fd(ends[1]));
}

}  // namespace

Result<Copier> Copier::start(const StdioPaths& paths) {
  CopiedFiles files;
  files.input = TRY(open_input(paths.input));
  files.outputs[0] = TRY(open_output(paths.output));
  if (!paths.terminal) files.outputs[1] = TRY(open_output(paths.error));
  auto [own_process, its_process] = TRY(socket_pair());
  auto [own_control, its_control] = TRY(socket_pair());
  const pid_t pid = ::fork();
  if (pid < 0) return sys_error("stdio: fork");
  if (pid == 0) run_copier(std::move(files), std::move(its_control), std::move(its_process), paths.terminal);
  return Copier(pid, std::move(own_process), std::move(own_control));
}

bool Copier::say(CopierWord word) const {
  return ::send(control_.get(), &word, sizeof(word), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(word);
}

void Copier::close_input() {
  if (!input_closed_) input_closed_ = say({.kind = CopierWord::Kind::kCloseInput});
}

Status Copier::resize(uint16_t rows, uint16_t columns) const {
  // unix(7): what the other side has not read yet.
  int queued = 0;
  if (::ioctl(control_.get(), SIOCOUTQ, &queued) != 0) return sys_error("SIOCOUTQ");
  if (queued > kMostQueued) {
    return make_error(Code::kWrongState, "the container does not let go of its terminal");
  }
  if (say({.kind = CopierWord::Kind::kResize, .rows = rows, .columns = columns})) return ok_status();
  return make_error(Code::kWrongState, "cannot resize a stopped process");
}

void Copier::process_ended() {
  (void)::shutdown(control_.get(), SHUT_WR);
  has_unread_ = true;  // until the copier says otherwise
}

bool Copier::has_unread() {
  auto hear = [this](char& word) { return ::recv(control_.get(), &word, sizeof(word), MSG_DONTWAIT); };
  char word = 0;
  ssize_t size = hear(word);
  for (; size > 0; size = hear(word)) has_unread_ = word == kUnread;
  const bool ended = size == 0 || errno != EAGAIN;
  return has_unread_ && !ended;
}

Status take_streams(int process) {
  for (int fd = 0; fd < 3; ++fd) {
    const Fd end = TRY_AT(kernel::receive_descriptor(process), "stdio: the copier has ended");
    if (::dup2(end.get(), fd) < 0) return sys_error("stdio: dup2");
  }
  return ok_status();
}

}  // namespace gabion::shim
