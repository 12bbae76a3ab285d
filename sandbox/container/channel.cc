#include "container/channel.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <climits>
#include <cstring>

namespace gabion::container {

namespace {

struct Header {
  int kind;
  int value;
  int code;
};

constexpr size_t kMaxText = PATH_MAX;

}  // namespace

Result<std::pair<Channel, Channel>> Channel::pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return sys_error("socketpair");
  return std::pair(Channel(Fd(ends[0])), Channel(Fd(ends[1])));
}

Status Channel::send(const Message& message) const {
  Header header{.kind = static_cast<int>(message.kind), .value = message.value, .code = message.code};
  const size_t size = message.text.size() < kMaxText ? message.text.size() : kMaxText;
  const iovec parts[2] = {{.iov_base = &header, .iov_len = sizeof(header)},
                          {.iov_base = const_cast<char*>(message.text.data()), .iov_len = size}};
  msghdr packet{};
  packet.msg_iov = const_cast<iovec*>(parts);
  packet.msg_iovlen = 2;
  while (::sendmsg(socket_.get(), &packet, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return sys_error("channel");
  }
  return ok_status();
}

Status Channel::send(MessageKind kind, int value) const { return send(Message{kind, value, 0, ""}); }

Status Channel::send_error(const Error& error) const {
  return send(Message{MessageKind::kError, error.sys_errno, static_cast<int>(error.code), error.context});
}

Result<Message> Channel::receive() const {
  char buffer[sizeof(Header) + kMaxText];
  ssize_t size = 0;
  while ((size = ::recv(socket_.get(), buffer, sizeof(buffer), 0)) < 0) {
    // ECONNRESET tells, once, that the peer died with a message unread. What it said before follows.
    if (errno != EINTR && errno != ECONNRESET) return sys_error("channel");
  }
  if (static_cast<size_t>(size) < sizeof(Header))
    return make_error(Code::kNotFound, "the other process is gone");
  Header header{};
  std::memcpy(&header, buffer, sizeof(header));
  Message message;
  message.kind = static_cast<MessageKind>(header.kind);
  message.value = header.value;
  message.code = header.code;
  message.text.assign(buffer + sizeof(header), static_cast<size_t>(size) - sizeof(header));
  return message;
}

Result<Message> Channel::expect(MessageKind kind, MessageKind other) const {
  Message message = TRY(receive());
  if (message.kind == MessageKind::kError) {
    return Error{static_cast<Code>(message.code), message.value, std::move(message.text)};
  }
  if (message.kind != kind && message.kind != other)
    return make_error(Code::kInternal, "unexpected message between the runtime's processes");
  return message;
}

}  // namespace gabion::container
