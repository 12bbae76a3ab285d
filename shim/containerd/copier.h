// Copies between what containerd names for the standard streams of a process and the pipes that the process
// has, in a process of its own.
//
// A container can hold a pipe's lock for as long as it likes: splice(2) from a socket where nothing comes
// waits with it held. Whoever then opens, reads, writes or closes an end of that pipe waits where no signal
// reaches. So neither the shim nor containerd ever has an inode that the container has: the container has
// pipes, containerd has its fifos, and between them is somebody whom nobody waits for. What holds the lock
// ends with the container.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "shim/containerd/stdio_address.h"

namespace gabion::shim {

class Copier {
 public:
  // Without a terminal; a logger's streams are left alone. An error names the stream's address.
  static Result<Copier> start(const StdioPaths& paths);

  // What take_streams() in a worker gets; closed here by given_away().
  [[nodiscard]] int streams() const { return streams_.get(); }
  void given_away() { streams_.reset(); }
  // The process reads the end of its input, once it has read what was there.
  void close_input() const;
  // It copies what is left, and waits for who has not read it yet. Nobody will once this object is gone, or
  // the shim: then it waits for nobody but who reads already.
  void process_ended() const;

 private:
  Copier(Fd streams, Fd control) : streams_(std::move(streams)), control_(std::move(control)) {}

  Fd streams_;
  Fd control_;
};

// In a worker: the process's ends of the pipes become its 0, 1 and 2.
Status take_streams(int streams);

}  // namespace gabion::shim
