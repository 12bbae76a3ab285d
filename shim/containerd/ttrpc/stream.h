// Bytes in and out of a socket that never blocks: whole frames come out, texts go in. Bounded both ways.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "shim/containerd/loop/loop.h"
#include "shim/containerd/ttrpc/frame.h"

namespace gabion::ttrpc {

class Stream {
 public:
  struct Events {
    std::function<void(const Frame&)> frame;
    std::function<void()> closed;  // by the peer, or for what it sent; the last call there is
  };

  Stream(shim::Loop& loop, Fd socket, Events events);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  // The socket must be O_NONBLOCK.
  Status start();
  // A peer that lets this grow beyond kMaxUnsentBytes is closed.
  void send(std::string_view bytes);

  static constexpr size_t kMaxUnsentBytes = size_t{16} << 20;

 private:
  void ready(uint32_t events);
  bool receive();
  bool take_frames();
  bool flush();
  void close();

  shim::Loop& loop_;
  Fd socket_;
  Events events_;
  std::string received_;
  std::string unsent_;
};

}  // namespace gabion::ttrpc
