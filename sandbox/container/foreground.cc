#include "container/foreground.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "kernel/socket.h"

namespace gabion::container {

namespace {

// The caller's own terminal in raw mode for as long as this lives.
class RawMode {
 public:
  RawMode() {
    if (::tcgetattr(0, &saved_) != 0) return;
    termios raw = saved_;
    ::cfmakeraw(&raw);
    active_ = ::tcsetattr(0, TCSANOW, &raw) == 0;
  }
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  ~RawMode() {
    if (active_) (void)::tcsetattr(0, TCSANOW, &saved_);
  }

 private:
  termios saved_{};
  bool active_ = false;
};

void copy_window_size(int terminal) {
  winsize size{};
  // Not a terminal: the size of the spec stays.
  if (::ioctl(0, TIOCGWINSZ, &size) == 0) (void)::ioctl(terminal, TIOCSWINSZ, &size);
}

// One read and its writes. False at the end of the input.
bool copy_once(int from, int to) {
  char buffer[8192];
  const ssize_t size = ::read(from, buffer, sizeof(buffer));
  if (size < 0) return errno == EINTR || errno == EAGAIN;
  if (size == 0) return false;
  return write_all(to, std::string_view(buffer, static_cast<size_t>(size))).ok();
}

// What the process wrote before it ended is still in the pseudo-terminal. The end of file comes when
// nobody holds the other side any more: a process left in the background may hold it, or write to it, for
// ever, so the wait and the amount are bounded.
void copy_rest(int terminal) {
  constexpr int kQuietMs = 100;
  constexpr int kMostReads = 64;  // of 8 KiB: more than the kernel keeps of a terminal's output
  for (int reads = 0; reads < kMostReads; ++reads) {
    pollfd item{.fd = terminal, .events = POLLIN, .revents = 0};
    if (::poll(&item, 1, kQuietMs) <= 0 || !copy_once(terminal, 1)) return;
  }
}

int exit_code(int status) {
  if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
  return WEXITSTATUS(status);
}

}  // namespace

Result<SignalForwarder> SignalForwarder::open() {
  sigset_t set;
  (void)::sigfillset(&set);
  // Faults of our own must still end us, and SIGTTIN/SIGTTOU/SIGTSTP belong to the shell's job control.
  for (int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU, SIGTSTP}) {
    (void)::sigdelset(&set, number);
  }
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return sys_error("block signals");
  SignalForwarder forwarder;
  forwarder.signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!forwarder.signals_.valid()) return sys_error("signalfd");
  return forwarder;
}

Result<int> SignalForwarder::wait(pid_t pid, int terminal) {
  // Only with a terminal of the container's: without one the caller's stays as it is.
  std::optional<RawMode> raw;
  if (terminal >= 0) raw.emplace();
  bool input_open = terminal >= 0;
  int status = 0;
  while (true) {
    pollfd polls[3] = {{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                       {.fd = terminal, .events = POLLIN, .revents = 0},
                       {.fd = input_open ? 0 : -1, .events = POLLIN, .revents = 0}};
    if (::poll(polls, 3, -1) < 0 && errno != EINTR) return sys_error("poll");
    if (polls[1].revents != 0 && !copy_once(terminal, 1)) terminal = -1;
    if (polls[2].revents != 0 && terminal >= 0 && !copy_once(0, terminal)) input_open = false;
    bool ended = false;
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
      const int number = static_cast<int>(info.ssi_signo);
      if (number == SIGCHLD) {
        const pid_t reaped = ::waitpid(pid, &status, WNOHANG);
        if (reaped == pid) ended = true;
        continue;
      }
      if (number == SIGWINCH && terminal >= 0) {
        copy_window_size(terminal);
        continue;
      }
      if (number == SIGURG) continue;  // Go callers' goroutine preemption, not meant for the container
      (void)::kill(pid, number);       // our own unreaped child: the pid cannot be another's
    }
    if (ended) {
      if (terminal >= 0) copy_rest(terminal);
      return exit_code(status);
    }
  }
}

Status check_console(bool detach, bool terminal, const std::string& socket, int socket_fd) {
  if (detach && terminal && socket.empty() && socket_fd < 0) {
    return make_error(Code::kInvalid,
                      "cannot allocate tty if runc will detach without setting console socket");
  }
  if (!socket.empty() && !(detach && terminal)) {
    return make_error(Code::kInvalid, "cannot use console socket if runc will not detach or allocate tty");
  }
  return ok_status();
}

Result<ConsoleEnds> console_ends(const std::string& socket, int socket_fd) {
  ConsoleEnds console;
  if (socket_fd >= 0) {
    console.sender = Fd(::fcntl(socket_fd, F_DUPFD_CLOEXEC, 3));
    if (!console.sender.valid()) return sys_error("console socket");
    return console;
  }
  if (!socket.empty()) {
    console.sender = TRY_AT(kernel::connect_unix(socket), "console socket");
    return console;
  }
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return sys_error("socketpair");
  console.receiver = Fd(ends[0]);
  console.sender = Fd(ends[1]);
  return console;
}

Result<Fd> receive_console(int receiver) {
  Fd terminal = TRY_AT(kernel::receive_descriptor(receiver), "console");
  copy_window_size(terminal.get());
  return terminal;
}

Result<int> reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return sys_error("waitpid");
  }
  return exit_code(status);
}

}  // namespace gabion::container
