#include "shim/containerd/pump.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace gabion::shim {

namespace {

constexpr size_t kChunk = size_t{16} << 10;
constexpr int64_t kFirstPauseMs = 10;
constexpr int64_t kLongestPauseMs = 500;
constexpr int kMostChunksOfRest = 64;  // as much as the kernel keeps of a pipe (pipe(7), pipe-max-size)

}  // namespace

Pump::Pump(Loop& loop, Fd from, Fd to) : loop_(loop), from_(std::move(from)), to_(std::move(to)) {}

Pump::~Pump() {
  if (timer_ != 0) loop_.cancel(timer_);
  if (from_.valid()) loop_.forget(from_.get());
  if (to_.valid()) loop_.forget(to_.get());
}

Status Pump::start() {
  return loop_.watch(from_.get(), EPOLLIN, [this](uint32_t) { readable(); });
}

void Pump::readable() {
  switch (copy_once()) {
    case Copied::kLast:
      return stop();
    case Copied::kNobody:
      return wait_for_somebody();
    case Copied::kSome:
    case Copied::kNothing:
      if (!unwritten_.empty()) wait_for_room();
  }
}

// Nobody has the terminal open, and somebody may again: what a login program does. epoll(7) would say so
// without end, and not when it is over.
void Pump::wait_for_somebody() {
  loop_.forget(from_.get());
  pause_ms_ = std::clamp(pause_ms_ * 2, kFirstPauseMs, kLongestPauseMs);
  timer_ = loop_.after(pause_ms_, [this] {
    timer_ = 0;
    if (!start().ok()) stop();
  });
}

void Pump::wait_for_room() {
  loop_.forget(from_.get());
  loop_.forget(to_.get());
  const Status watched = loop_.watch(to_.get(), EPOLLOUT, [this](uint32_t) { writable(); });
  if (!watched.ok()) stop();
}

void Pump::writable() {
  if (!flush()) return stop();
  if (!unwritten_.empty()) return;
  loop_.forget(to_.get());
  if (finishing_) return copy_rest();
  if (!start().ok()) stop();
}

// kLast: nothing more will come, or nothing more can go. kNobody: a terminal's other side is closed (EIO).
Pump::Copied Pump::copy_once() {
  std::array<char, kChunk> chunk{};
  const ssize_t size = ::read(from_.get(), chunk.data(), chunk.size());
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return Copied::kNothing;
  if (size < 0 && errno == EIO) return Copied::kNobody;
  if (size <= 0) return Copied::kLast;
  pause_ms_ = 0;
  unwritten_.assign(chunk.data(), static_cast<size_t>(size));
  return flush() ? Copied::kSome : Copied::kLast;
}

bool Pump::flush() {
  while (!unwritten_.empty()) {
    const ssize_t size = ::write(to_.get(), unwritten_.data(), unwritten_.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return true;
    if (size < 0) return false;
    unwritten_.erase(0, static_cast<size_t>(size));
  }
  std::string().swap(unwritten_);
  return true;
}

void Pump::finish() {
  if (done() || finishing_) return;
  finishing_ = true;
  if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
  chunks_left_ = kMostChunksOfRest;
  if (unwritten_.empty()) copy_rest();  // else there will be room
}

void Pump::copy_rest() {
  while (chunks_left_ > 0) {
    --chunks_left_;
    if (copy_once() != Copied::kSome) break;
    if (!unwritten_.empty()) return wait_for_room();
  }
  stop();
}

// The destination first: whoever reads there sees the end, even should the source be held.
void Pump::stop() {
  if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
  loop_.forget(from_.get());
  loop_.forget(to_.get());
  to_.reset();
  from_.reset();
}

}  // namespace gabion::shim
