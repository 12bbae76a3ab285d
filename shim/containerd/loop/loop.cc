#include "shim/containerd/loop/loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <utility>

#include "base/clock.h"

namespace gabion::shim {

namespace {

uint64_t label(int fd, uint32_t generation) { return uint64_t{generation} << 32 | static_cast<uint32_t>(fd); }

}  // namespace

Result<std::unique_ptr<Loop>> Loop::open() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return sys_error("epoll_create1");
  return std::unique_ptr<Loop>(new Loop(std::move(epoll)));
}

Status Loop::watch(int fd, uint32_t events, Ready ready) {
  auto watch = std::make_shared<Watch>(Watch{++generation_, std::move(ready)});
  epoll_event event{.events = events, .data = {.u64 = label(fd, watch->generation)}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return sys_error("epoll_ctl");
  watches_[fd] = std::move(watch);
  return ok_status();
}

Status Loop::change(int fd, uint32_t events) {
  const auto found = watches_.find(fd);
  if (found == watches_.end()) return make_error(Code::kInternal, "epoll: a descriptor that is not watched");
  epoll_event event{.events = events, .data = {.u64 = label(fd, found->second->generation)}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) return sys_error("epoll_ctl");
  return ok_status();
}

void Loop::forget(int fd) {
  if (watches_.erase(fd) != 0) (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

uint64_t Loop::after(int64_t milliseconds, std::function<void()> action) {
  const uint64_t timer = ++last_timer_;
  const int64_t deadline = monotonic_ms() + milliseconds;
  timers_.emplace(std::pair(deadline, timer), std::move(action));
  deadlines_.emplace(timer, deadline);
  return timer;
}

void Loop::cancel(uint64_t timer) {
  const auto found = deadlines_.find(timer);
  if (found == deadlines_.end()) return;
  timers_.erase({found->second, timer});
  deadlines_.erase(found);
}

int Loop::next_wait_ms() const {
  if (timers_.empty()) return -1;
  const int64_t wait = timers_.begin()->first.first - monotonic_ms();
  return static_cast<int>(std::clamp<int64_t>(wait, 0, std::numeric_limits<int>::max()));
}

void Loop::run_due() {
  const int64_t now = monotonic_ms();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    auto first = timers_.extract(timers_.begin());
    deadlines_.erase(first.key().second);
    first.mapped()();
  }
}

Status Loop::run(const std::function<bool()>& finished) {
  std::array<epoll_event, 16> events{};
  while (!finished()) {
    const int count =
        ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), next_wait_ms());
    if (count < 0 && errno != EINTR) return sys_error("epoll_wait");
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      const auto found = watches_.find(static_cast<int>(event.data.u64 & 0xFFFFFFFF));
      if (found == watches_.end() || found->second->generation != event.data.u64 >> 32) continue;
      const std::shared_ptr<Watch> watch = found->second;  // it may forget itself
      watch->ready(event.events);
    }
    run_due();
  }
  return ok_status();
}

}  // namespace gabion::shim
