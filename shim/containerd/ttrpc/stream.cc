#include "shim/containerd/ttrpc/stream.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace gabion::ttrpc {

namespace {

constexpr size_t kChunk = size_t{16} << 10;
// A buffer that was once large is given back: a shim lives as long as its pod.
constexpr size_t kKeptBytes = size_t{8} << 10;

void drop_front(std::string& text, size_t size) {
  text.erase(0, size);
  if (text.empty() && text.capacity() > kKeptBytes) std::string().swap(text);
}

}  // namespace

Stream::Stream(shim::Loop& loop, Fd socket, Events events)
    : loop_(loop), socket_(std::move(socket)), events_(std::move(events)) {}

Stream::~Stream() {
  if (socket_.valid()) loop_.forget(socket_.get());
}

Status Stream::start() {
  return loop_.watch(socket_.get(), EPOLLIN, [this](uint32_t events) { ready(events); });
}

void Stream::close() {
  if (!socket_.valid()) return;
  loop_.forget(socket_.get());
  socket_.reset();
  const auto closed = std::move(events_.closed);
  if (closed) closed();  // may delete this
}

void Stream::ready(uint32_t events) {
  if ((events & EPOLLOUT) != 0 && !flush()) return close();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !receive()) close();
}

// False: no more can come.
bool Stream::receive() {
  std::array<char, kChunk> chunk{};
  const ssize_t size = ::recv(socket_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) return false;
  received_.append(chunk.data(), static_cast<size_t>(size));
  return take_frames();
}

bool Stream::take_frames() {
  size_t done = 0;
  while (true) {
    size_t consumed = 0;
    const Result<std::optional<Frame>> frame =
        parse_frame(std::string_view(received_).substr(done), consumed);
    if (!frame.ok()) return false;
    if (!frame->has_value()) break;
    events_.frame(**frame);
    if (!socket_.valid()) return true;  // closed meanwhile
    done += consumed;
  }
  drop_front(received_, done);
  return true;
}

bool Stream::flush() {
  while (!unsent_.empty()) {
    const ssize_t size = ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) break;
    if (size < 0) return false;
    drop_front(unsent_, static_cast<size_t>(size));
  }
  const uint32_t events = unsent_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT;
  return loop_.change(socket_.get(), events).ok();
}

void Stream::send(std::string_view bytes) {
  if (!socket_.valid()) return;
  unsent_.append(bytes);
  if (unsent_.size() > kMaxUnsentBytes || !flush()) close();
}

}  // namespace gabion::ttrpc
