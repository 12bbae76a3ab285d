// One thread waits for everything: epoll(7), deadlines and nothing else. A callback may add and forget
// whatever it likes, itself included.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::shim {

class Loop {
 public:
  using Ready = std::function<void(uint32_t events)>;  // EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR

  static Result<std::unique_ptr<Loop>> open();

  // `fd` is borrowed, and must be forgotten before it is closed.
  Status watch(int fd, uint32_t events, Ready ready);
  Status change(int fd, uint32_t events);
  void forget(int fd);

  // Once, not before `milliseconds` have passed.
  uint64_t after(int64_t milliseconds, std::function<void()> action);
  void cancel(uint64_t timer);

  // Until `finished`, which is asked after every turn.
  Status run(const std::function<bool()>& finished);

 private:
  explicit Loop(Fd epoll) : epoll_(std::move(epoll)) {}
  struct Watch {
    uint32_t generation = 0;
    Ready ready;
  };
  [[nodiscard]] int next_wait_ms() const;
  void run_due();

  Fd epoll_;
  std::unordered_map<int, std::shared_ptr<Watch>> watches_;
  std::map<std::pair<int64_t, uint64_t>, std::function<void()>> timers_;  // by deadline and number
  std::unordered_map<uint64_t, int64_t> deadlines_;
  uint64_t last_timer_ = 0;
  uint32_t generation_ = 0;  // tells a descriptor from the one that had its number a moment ago
};

}  // namespace gabion::shim
