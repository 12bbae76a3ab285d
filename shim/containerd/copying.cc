#include "shim/containerd/copying.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/path.h"
#include "base/result.h"
#include "container/spawn.h"
#include "kernel/socket.h"
#include "kernel/terminal.h"
#include "shim/containerd/fifo.h"
#include "shim/containerd/loop/loop.h"
#include "shim/containerd/pipe.h"
#include "shim/containerd/pump.h"

namespace gabion::shim {

namespace {

// What a process has left in the background may keep its streams for as long as it likes. As containerd's own
// shim has it: who has deleted the process and still reads waits so long for more.
constexpr int64_t kAfterDeletionMs = 2000;
// No event says that a fifo was read (fifo.cc). A word for which the shim's socket had no room is said again
// with that.
constexpr int64_t kFirstLookMs = 5;
constexpr int64_t kLongestLookMs = 1000;
constexpr const char* kStream = "stream";  // descriptors need a byte to travel with

// This end alone: the other is a process's, which does not expect EAGAIN.
Status make_nonblocking(const Fd& fd) {
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) return sys_error("stdio: fcntl");
  return ok_status();
}

class Copying {
 public:
  Copying(Loop& loop, CopiedFiles files, Fd control)
      : loop_(loop), files_(std::move(files)), control_(std::move(control)) {}

  Status start_pipes(Fd process) {
    const Fd null = TRY(open_path("/dev/null", O_RDWR));
    if (files_.input.reading.valid()) {
      Pipe pipe = TRY(make_pipe("stdio"));
      TRY(kernel::send_descriptor(process.get(), pipe.reading.get(), kStream));
      TRY(copy_input(std::move(pipe.writing)));
    } else {
      TRY(kernel::send_descriptor(process.get(), null.get(), kStream));
    }
    for (CopiedOutput& output : files_.outputs) {
      if (!output.writing.valid()) {
        TRY(kernel::send_descriptor(process.get(), null.get(), kStream));
        continue;
      }
      Pipe pipe = TRY(make_pipe("stdio"));
      TRY(kernel::send_descriptor(process.get(), pipe.writing.get(), kStream));
      TRY(copy_output(std::move(pipe.reading), output));
    }
    return listen();
  }

  Status start_terminal(Fd process) {
    TRY(make_nonblocking(process));
    process_ = std::move(process);
    TRY(loop_.watch(process_.get(), EPOLLIN, [this](uint32_t) { take_terminal(); }));
    return listen();
  }

  // After every turn: a keeper hears that nothing is written any more, and the shim whether there is
  // something unread. True: there is nothing left to do.
  bool settle() {
    bool done = true;
    for (const Stream& stream : outputs_) {
      if (stream.pump->done() && stream.keeper != nullptr) stream.keeper->written();
      done = done && stream.pump->done() && (stream.keeper == nullptr || stream.keeper->done());
    }
    if (!ended_) return false;
    const bool unread = has_unread();
    if (told_unread_ != unread) tell(unread);
    if (unread || told_unread_ != unread) look_again();
    return done;
  }

 private:
  struct Stream {
    std::unique_ptr<Pump> pump;
    std::unique_ptr<FifoKeeper> keeper;  // null: a file, or nobody waits any more
  };

  [[nodiscard]] bool has_unread() const {
    return std::any_of(outputs_.begin(), outputs_.end(), [](const Stream& stream) {
      return stream.keeper != nullptr && (stream.pump->waits() || stream.keeper->has_unread());
    });
  }

  // The shim hears it when it asks. Should there be no room for it, it is told after another turn.
  void tell(bool unread) {
    if (!control_.valid()) return;
    const char word = unread ? kUnread : kAllRead;
    const ssize_t size = ::send(control_.get(), &word, sizeof(word), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size != sizeof(word)) return;
    told_unread_ = unread;
    pause_ms_ = kFirstLookMs;
  }

  // Another turn, later.
  void look_again() {
    if (!control_.valid() || timer_ != 0) return;
    timer_ = loop_.after(pause_ms_, [this] { timer_ = 0; });
    pause_ms_ = std::min(pause_ms_ * 2, kLongestLookMs);
  }

  Status listen() {
    return loop_.watch(control_.get(), EPOLLIN, [this](uint32_t events) { hear(events); });
  }

  Status copy_input(Fd to) {
    TRY(make_nonblocking(to));
    input_ = std::make_unique<Pump>(loop_, std::move(files_.input.reading), std::move(to));
    return input_->start();
  }

  Status copy_output(Fd from, CopiedOutput& output) {
    TRY(make_nonblocking(from));
    outputs_.push_back({});
    Stream& stream = outputs_.back();
    stream.pump = std::make_unique<Pump>(loop_, std::move(from), std::move(output.writing));
    if (output.keeper.valid()) {
      stream.keeper = std::make_unique<FifoKeeper>(loop_, output.fifo, std::move(output.keeper));
    }
    return stream.pump->start();
  }

  void take_terminal() {
    Result<Fd> master = kernel::receive_descriptor(process_.get());
    loop_.forget(process_.get());
    process_.reset();
    if (!master.ok()) return;  // there is no process
    terminal_ = std::move(master).value();
    if (size_) resize(*size_);
    // Duplicates of one open file: O_NONBLOCK, set on one, holds for all.
    auto copy = [this] { return Fd(::fcntl(terminal_.get(), F_DUPFD_CLOEXEC, 3)); };
    if (files_.outputs[0].writing.valid()) (void)copy_output(copy(), files_.outputs[0]);
    if (files_.input.reading.valid() && !ended_) (void)copy_input(copy());
  }

  void resize(const CopierWord& size) {
    size_ = size;
    // Whoever inside reads the size into memory that does not come holds it: then this waits.
    if (terminal_.valid()) (void)kernel::resize_terminal(terminal_.get(), size.rows, size.columns);
  }

  void hear(uint32_t events) {
    CopierWord word;
    const ssize_t size = ::recv(control_.get(), &word, sizeof(word), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size != static_cast<ssize_t>(sizeof(word))) {
      if ((events & EPOLLHUP) != 0) return deleted();
      (void)loop_.change(control_.get(), 0);  // which leaves EPOLLHUP
      return process_ended();
    }
    switch (word.kind) {
      case CopierWord::Kind::kCloseInput:
        files_.input.keeper.reset();
        return;
      case CopierWord::Kind::kResize:
        return resize(word);
    }
  }

  void process_ended() {
    end();
    let_go();
  }

  // Whoever reads goes on, and where nobody does writing fails (EPIPE).
  void deleted() {
    loop_.forget(control_.get());
    control_.reset();
    end();
    for (Stream& stream : outputs_) stream.keeper.reset();
    (void)loop_.after(kAfterDeletionMs, [this] { finish_outputs(); });
    let_go();
  }

  // A terminal that is on its way has come by now.
  void end() {
    ended_ = true;
    if (process_.valid()) take_terminal();
  }

  // The outputs first, since whoever holds the input may keep this waiting.
  void let_go() {
    if (terminal_.valid()) finish_outputs();  // a session's end takes its terminal along
    files_.input.keeper.reset();
    input_.reset();
    terminal_.reset();
  }

  void finish_outputs() {
    for (const Stream& stream : outputs_) stream.pump->finish();
  }

  Loop& loop_;
  CopiedFiles files_;  // what no pump has taken yet; and, for as long as there is input, its keeper
  Fd control_;
  Fd process_;   // until the terminal has come
  Fd terminal_;  // its master
  std::optional<CopierWord> size_;
  std::unique_ptr<Pump> input_;
  std::vector<Stream> outputs_;
  bool ended_ = false;
  std::optional<bool> told_unread_;  // none: nothing yet
  int64_t pause_ms_ = kFirstLookMs;
  uint64_t timer_ = 0;  // 0: none
};

std::vector<int> numbers(const CopiedFiles& files, const Fd& control, const Fd& process) {
  std::vector<int> found{control.get(), process.get(), files.input.reading.get(), files.input.keeper.get()};
  for (const CopiedOutput& output : files.outputs) {
    found.push_back(output.writing.get());
    found.push_back(output.keeper.get());
  }
  return found;
}

}  // namespace

void run_copier(CopiedFiles files, Fd control, Fd process, bool terminal) {
  sigset_t none;
  (void)::sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
  (void)::prctl(PR_SET_NAME, "gabion-copier");
  if (!container::close_all_but(0, numbers(files, control, process)).ok()) ::_exit(1);
  // The shim's log is containerd's to read to its end.
  if (::dup2(STDIN_FILENO, STDERR_FILENO) < 0) ::_exit(1);
  const Result<std::unique_ptr<Loop>> loop = Loop::open();
  if (!loop.ok()) ::_exit(1);
  Copying copying(**loop, std::move(files), std::move(control));
  // Whatever goes wrong, the worker hears the end of its socket.
  const Status started =
      terminal ? copying.start_terminal(std::move(process)) : copying.start_pipes(std::move(process));
  if (!started.ok()) ::_exit(1);
  const Status ended = (*loop)->run([&copying] { return copying.settle(); });
  ::_exit(ended.ok() ? 0 : 1);
}

}  // namespace gabion::shim
