// Copies between what containerd names for the standard streams of a process and the pipes or the terminal
// that the process has, in a process of its own.
//
// A container can hold a pipe's lock for as long as it likes: splice(2) from a socket where nothing comes
// waits with it held. Whoever then opens, reads, writes or closes an end of that pipe waits where no signal
// reaches. The same with a terminal's size, which ioctl(2) copies to memory that need never come
// (userfaultfd(2)): whoever sets it, or closes the other side, waits. So neither the shim nor containerd ever
// has what the container has: containerd has its fifos, and between them is somebody whom nobody waits for,
// but State for a tenth of a second (service.cc). What holds the lock ends with the container.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "shim/containerd/copying.h"
#include "shim/containerd/stdio_address.h"

namespace gabion::shim {

class Copier {
 public:
  // A logger's streams are left alone. An error names the stream's address.
  static Result<Copier> start(const StdioPaths& paths);

  // The shim's child. It ends by itself: after the process, and when what that wrote has been read.
  [[nodiscard]] pid_t pid() const { return pid_; }
  // What a worker gets: what take_streams() receives from, or, with a terminal, where its master is to be
  // sent. Closed here by given_away().
  [[nodiscard]] int process() const { return process_.get(); }
  void given_away() { process_.reset(); }
  // The process reads the end of its input, once it has read what was there.
  void close_input();
  // Sets the size of the terminal, or of the one that will come; the container sees it soon, not at once.
  // Code::kWrongState: the container lets nobody set it.
  [[nodiscard]] Status resize(uint16_t rows, uint16_t columns) const;
  // It copies what is left, and waits for who has not read it yet. Nobody will once this object is gone, or
  // the shim: then it waits for nobody but who reads already, and for two seconds for more.
  void process_ended();
  // The process has ended, and what it said last waits for who reads it; or the copier has not
  // said yet whether any does.
  [[nodiscard]] bool has_unread();

 private:
  Copier(pid_t pid, Fd process, Fd control)
      : pid_(pid), process_(std::move(process)), control_(std::move(control)) {}
  [[nodiscard]] bool say(CopierWord word) const;

  pid_t pid_;
  Fd process_;
  Fd control_;
  bool input_closed_ = false;
  bool has_unread_ = false;
};

// In a worker: the process's ends of the pipes become its 0, 1 and 2.
Status take_streams(int process);

}  // namespace gabion::shim
