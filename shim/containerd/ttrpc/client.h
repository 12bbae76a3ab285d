// The asking end: one request after the other to a server that may come and go.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "shim/containerd/loop/loop.h"
#include "shim/containerd/ttrpc/frame.h"
#include "shim/containerd/ttrpc/stream.h"

namespace gabion::ttrpc {

// Delivers messages in the order they were given, each until it was answered or kAttempts have failed. Nobody
// waits for it.
class Client {
 public:
  // `path`: of a unix socket. Connected when there is something to say.
  Client(shim::Loop& loop, std::string path, std::string service, std::string method);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // Beyond kMaxWaiting the oldest is dropped.
  void deliver(std::string payload);
  [[nodiscard]] bool idle() const { return waiting_.empty(); }

  static constexpr size_t kMaxWaiting = 2048;
  static constexpr int kAttempts = 5;

 private:
  void send_first();
  Status connect();
  void take(const Frame& frame);
  void failed();
  void done();

  shim::Loop& loop_;
  std::string path_;
  std::string service_;
  std::string method_;
  std::deque<std::string> waiting_;
  std::unique_ptr<Stream> stream_;
  uint32_t next_stream_ = 1;
  uint32_t asked_ = 0;  // the stream whose answer is awaited; 0: none
  int attempts_ = 0;
  uint64_t timer_ = 0;  // 0: none
};

}  // namespace gabion::ttrpc
