#include "shim/containerd/copier.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "base/path.h"
#include "base/text.h"
#include "container/spawn.h"
#include "kernel/socket.h"
#include "shim/containerd/fifo.h"
#include "shim/containerd/loop/loop.h"
#include "shim/containerd/pump.h"

namespace gabion::shim {

namespace {

// What the shim says. That its end is closed says the most: the process is deleted.
constexpr char kCloseInput = 'i';
constexpr char kProcessEnded = 'e';

using Kind = StdioAddress::Kind;

// What containerd names, opened before the container has anything.
struct Input {
  Fd reading;
  Fd keeper;  // the writing end: the input ends with it, not while containerd is restarted
};
struct Output {
  StdioAddress address;
  Fd writing;
  Fd keeper;  // of a fifo: the reading end
};

Result<Input> open_input(const std::string& text) {
  const StdioAddress address = TRY(parse_stdio_address(text));
  if (address.kind == Kind::kNothing) return Input{};
  if (address.kind != Kind::kFifo) {
    return make_error(Code::kInvalid, concat({"stdio: standard input cannot be ", text}));
  }
  Input input;
  input.reading = TRY(open_fifo(address.path, O_RDONLY));
  input.keeper = TRY(open_fifo(address.path, O_WRONLY));
  return input;
}

Result<Output> open_output(const std::string& text) {
  Output output{.address = TRY(parse_stdio_address(text)), .writing = {}, .keeper = {}};
  const std::string& path = output.address.path;
  if (output.address.kind == Kind::kFifo) {
    output.keeper = TRY(open_fifo(path, O_RDONLY));
    output.writing = TRY(open_fifo(path, O_WRONLY));
  } else if (output.address.kind == Kind::kFile) {
    constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
    output.writing = TRY_AT(open_path(path, kFlags, 0600), concat({"stdio: ", path}));
  }
  return output;
}

struct Pipe {
  Fd reading;
  Fd writing;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sys_error("stdio: pipe2");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

// This end alone: the other is a process's, which does not expect EAGAIN.
Status make_nonblocking(const Fd& fd) {
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) return sys_error("stdio: fcntl");
  return ok_status();
}

class Copying {
 public:
  Copying(Loop& loop, Fd control) : loop_(loop), control_(std::move(control)) {}

  // Sends the process its ends, in the order of their numbers.
  Status start(Input input, std::array<Output, 2> outputs, const Fd& streams) {
    const Fd null = TRY(open_path("/dev/null", O_RDWR));
    if (input.reading.valid()) {
      Pipe pipe = TRY(make_pipe());
      TRY(kernel::send_descriptor(streams.get(), pipe.reading.get(), "0"));
      TRY(make_nonblocking(pipe.writing));
      input_keeper_ = std::move(input.keeper);
      input_ = std::make_unique<Pump>(loop_, std::move(input.reading), std::move(pipe.writing));
      TRY(input_->start());
    } else {
      TRY(kernel::send_descriptor(streams.get(), null.get(), "0"));
    }
    for (Output& output : outputs) {
      if (!output.writing.valid()) {
        TRY(kernel::send_descriptor(streams.get(), null.get(), "null"));
        continue;
      }
      Pipe pipe = TRY(make_pipe());
      TRY(kernel::send_descriptor(streams.get(), pipe.writing.get(), "output"));
      TRY(make_nonblocking(pipe.reading));
      outputs_.push_back({});
      Stream& stream = outputs_.back();
      stream.pump = std::make_unique<Pump>(loop_, std::move(pipe.reading), std::move(output.writing));
      if (output.keeper.valid()) {
        stream.keeper = std::make_unique<FifoKeeper>(loop_, output.address.path, std::move(output.keeper));
      }
      TRY(stream.pump->start());
    }
    return loop_.watch(control_.get(), EPOLLIN, [this](uint32_t) { hear(); });
  }

  // Asked after every turn.
  bool finished() {
    bool done = true;
    for (const Stream& stream : outputs_) {
      if (stream.pump->done() && stream.keeper != nullptr) stream.keeper->written();
      done = done && stream.pump->done() && (stream.keeper == nullptr || stream.keeper->done());
    }
    return ended_ && done;
  }

 private:
  struct Stream {
    std::unique_ptr<Pump> pump;
    std::unique_ptr<FifoKeeper> keeper;  // null: a file, or nobody waits any more
  };

  void hear() {
    char word = 0;
    const bool said = ::recv(control_.get(), &word, 1, MSG_DONTWAIT) == 1;
    input_keeper_.reset();
    if (said && word == kCloseInput) return;
    ended_ = true;
    input_.reset();
    if (said) return;
    loop_.forget(control_.get());
    // Whoever reads goes on, and where nobody does writing fails (EPIPE).
    for (Stream& stream : outputs_) stream.keeper.reset();
  }

  Loop& loop_;
  Fd control_;
  Fd input_keeper_;
  std::unique_ptr<Pump> input_;
  std::vector<Stream> outputs_;
  bool ended_ = false;
};

[[noreturn]] void run(Input input, std::array<Output, 2> outputs, Fd control, Fd streams) {
  sigset_t none;
  (void)::sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
  (void)::prctl(PR_SET_NAME, "gabion-copier");
  std::vector<int> keep{control.get(), streams.get(), input.reading.get(), input.keeper.get()};
  for (const Output& output : outputs) {
    keep.push_back(output.writing.get());
    keep.push_back(output.keeper.get());
  }
  if (!container::close_all_but(0, std::move(keep)).ok()) ::_exit(1);
  // The shim's log is containerd's to read to its end.
  if (::dup2(STDIN_FILENO, STDERR_FILENO) < 0) ::_exit(1);
  const Result<std::unique_ptr<Loop>> loop = Loop::open();
  if (!loop.ok()) ::_exit(1);
  Copying copying(**loop, std::move(control));
  // Whatever goes wrong, the worker hears the end of its socket.
  if (!copying.start(std::move(input), std::move(outputs), streams).ok()) ::_exit(1);
  streams.reset();
  const Status ended = (*loop)->run([&copying] { return copying.finished(); });
  ::_exit(ended.ok() ? 0 : 1);
}

}  // namespace

Result<Copier> Copier::start(const StdioPaths& paths) {
  Input input = TRY(open_input(paths.input));
  std::array<Output, 2> outputs{TRY(open_output(paths.output)), TRY(open_output(paths.error))};
  int streams[2];
  int control[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, streams) != 0)
    return sys_error("stdio: socketpair");
  Fd own_streams(streams[0]);
  Fd its_streams(streams[1]);
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
    return sys_error("stdio: socketpair");
  Fd own_control(control[0]);
  Fd its_control(control[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return sys_error("stdio: fork");
  if (pid == 0) run(std::move(input), std::move(outputs), std::move(its_control), std::move(its_streams));
  return Copier(std::move(own_streams), std::move(own_control));
}

void Copier::close_input() const {
  (void)::send(control_.get(), &kCloseInput, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Copier::process_ended() const {
  (void)::send(control_.get(), &kProcessEnded, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

Status take_streams(int streams) {
  for (int fd = 0; fd < 3; ++fd) {
    const Fd end = TRY_AT(kernel::receive_descriptor(streams), "stdio: the copier has ended");
    if (::dup2(end.get(), fd) < 0) return sys_error("stdio: dup2");
  }
  return ok_status();
}

}  // namespace gabion::shim
