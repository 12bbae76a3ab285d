#include "shim/containerd/pump.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace gabion::shim {

namespace {

constexpr size_t kChunk = size_t{16} << 10;
constexpr int kMostChunksOfDrain = 64;  // more than the kernel keeps of a pipe or a terminal

}  // namespace

Pump::Pump(Loop& loop, Fd from, Fd to) : loop_(loop), from_(std::move(from)), to_(std::move(to)) {}

Pump::~Pump() {
  if (from_.valid()) loop_.forget(from_.get());
  if (to_.valid()) loop_.forget(to_.get());
}

Status Pump::start() {
  return loop_.watch(from_.get(), EPOLLIN, [this](uint32_t) { readable(); });
}

void Pump::readable() {
  if (!copy_once()) return stop();
  if (!unwritten_.empty()) wait_for_room();
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
  if (!start().ok()) stop();
}

// False: nothing more will come, or nothing more can go.
bool Pump::copy_once() {
  std::array<char, kChunk> chunk{};
  const ssize_t size = ::read(from_.get(), chunk.data(), chunk.size());
  if (size < 0) return errno == EAGAIN || errno == EINTR;  // EIO: nobody has the terminal open any more
  if (size == 0) return false;
  unwritten_.assign(chunk.data(), static_cast<size_t>(size));
  return flush();
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

void Pump::drain() {
  for (int chunks = 0; from_.valid() && flush() && unwritten_.empty() && chunks < kMostChunksOfDrain;
       ++chunks) {
    errno = 0;
    if (!copy_once()) return stop();
    if (errno == EAGAIN && unwritten_.empty()) return;
  }
  if (from_.valid() && !unwritten_.empty()) wait_for_room();
}

void Pump::stop() {
  loop_.forget(from_.get());
  loop_.forget(to_.get());
  from_.reset();
  to_.reset();
}

}  // namespace gabion::shim
