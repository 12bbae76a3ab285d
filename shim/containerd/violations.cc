#include "shim/containerd/violations.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "kernel/socket.h"

namespace gabion::shim {

namespace {

// A caller that goes on beyond its budget waits so long for each error, and so does every other of its
// container: what they cost the shim stays below a tenth of a processor.
constexpr int64_t kRestMs = 1;
constexpr size_t kConnections = 8;

// Each process that was entered costs a descriptor for as long as it lives. Half of the shim's are left for
// all else.
size_t most_listeners() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
  return std::max<size_t>(limit.rlim_cur / 2, 1);
}

}  // namespace

Result<std::pair<std::shared_ptr<Violations>, Fd>> Violations::open(Loop& loop, size_t& listeners,
                                                                    Effects effects) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return sys_error("socketpair");
  Fd own(ends[0]);
  Fd runtime(ends[1]);
  if (::fcntl(own.get(), F_SETFL, O_NONBLOCK) != 0) return sys_error("fcntl");
  const std::shared_ptr<Violations> made(new Violations(loop, listeners, std::move(effects), std::move(own)));
  TRY(loop.watch(made->socket_.get(), EPOLLIN, [raw = made.get()](uint32_t) { raw->receive_end(); }));
  return std::pair(made, std::move(runtime));
}

Violations::Violations(Loop& loop, size_t& listeners, Effects effects, Fd socket)
    : loop_(loop), count_(listeners), effects_(std::move(effects)), socket_(std::move(socket)) {}

Violations::~Violations() {
  if (resting_ != 0) loop_.cancel(resting_);
  if (summary_ != 0) loop_.cancel(summary_);
  for (const auto& listener : listeners_) loop_.forget(listener->fd());
  count_ -= listeners_.size();
  for (const Fd& connection : connections_) loop_.forget(connection.get());
  if (listening_.valid()) loop_.forget(listening_.get());
  if (socket_.valid()) loop_.forget(socket_.get());
}

// container::send_ends(). The runtime's end goes when it has no more to send, or has nothing.
void Violations::receive_end() {
  Result<Fd> received = kernel::receive_descriptor(socket_.get());
  if (received.ok() && !connected_) {
    connected_ = true;
    return add_connection(std::move(received).value());
  }
  loop_.forget(socket_.get());
  socket_.reset();
  if (!received.ok()) return;
  listening_ = std::move(received).value();
  if (::fcntl(listening_.get(), F_SETFL, O_NONBLOCK) == 0) {
    (void)loop_.watch(listening_.get(), EPOLLIN, [this](uint32_t) { accept(); });
  }
}

void Violations::accept() {
  Fd peer(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!peer.valid() && (errno == EMFILE || errno == ENFILE)) {
    // Nor is there one for who comes later: rather nobody than this for ever.
    loop_.forget(listening_.get());
    return listening_.reset();
  }
  // Who finds no place is told by the end of its connection.
  if (peer.valid() && connections_.size() < kConnections) add_connection(std::move(peer));
}

void Violations::add_connection(Fd connection) {
  const int fd = connection.get();
  if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) return;
  if (loop_.watch(fd, EPOLLIN, [this, fd](uint32_t) { adopt(fd); }).ok()) {
    connections_.push_back(std::move(connection));
  }
}

void Violations::adopt(int connection) {
  loop_.forget(connection);
  Result<Listener> taken = container::take_listener(connection, count_ < most_listeners());
  std::erase_if(connections_, [connection](const Fd& one) { return one.get() == connection; });
  if (!taken.ok()) return;
  const auto listener = std::make_shared<Listener>(std::move(taken).value());
  const uint32_t events = judge_ && resting_ == 0 ? uint32_t{EPOLLIN} : 0;
  const Status watched =
      loop_.watch(listener->fd(), events, [this, listener](uint32_t ready) { serve(listener, ready); });
  if (!watched.ok()) return;
  listeners_.push_back(listener);
  ++count_;
}

void Violations::begin(container::Judge judge) {
  judge_ = std::move(judge);
  listen(EPOLLIN);
}

void Violations::listen(uint32_t events) {
  for (const auto& listener : listeners_) (void)loop_.change(listener->fd(), events);
}

void Violations::serve(const std::shared_ptr<Listener>& listener, uint32_t events) {
  if ((events & EPOLLIN) != 0 && resting_ == 0) {
    const auto call = listener->receive();
    if (call.ok() && call->has_value()) answer(listener, **call);
  } else if (Listener::has_ended(static_cast<short>(events))) {
    loop_.forget(listener->fd());
    count_ -= std::erase(listeners_, listener);
  }
}

void Violations::answer(const std::shared_ptr<Listener>& listener,
                        const kernel::seccomp::Notification& call) {
  container::Verdict verdict = judge_->judge(*listener, call, monotonic_ns());
  Pending pending{.from = listener, .id = call.id, .error = verdict.error, .answer = verdict.answer};
  if (judge_->has_untold() && summary_ == 0) {
    summary_ = loop_.after(container::kSummaryMs, [this] {
      summary_ = 0;
      tell_summary();
    });
  }
  const bool kill = verdict.answer == policy::Answer::kKill;
  if (!verdict.told && !kill) return rest(std::move(pending));
  if (verdict.told) telling_.told.emplace_back(verdict.answer, *std::move(verdict.told));
  telling_.kill = telling_.kill || kill;
  pending_.push_back(std::move(pending));
  tell_next();
}

void Violations::deny(const Pending& call) const {
  (void)call.from->deny(call.id, call.error);
  if (call.answer == policy::Answer::kFreeze) effects_.freeze();
}

void Violations::rest(Pending call) {
  listen(0);
  resting_ = loop_.after(kRestMs, [this, call = std::move(call)] {
    resting_ = 0;
    deny(call);
    listen(EPOLLIN);
  });
}

void Violations::tell_next() {
  if (busy_) return;
  if (pending_.empty() && telling_.summary.empty()) return;
  busy_ = true;
  auto done = [weak = weak_from_this(), calls = std::exchange(pending_, {})](bool killed) {
    const std::shared_ptr<Violations> self = weak.lock();
    if (self == nullptr) return;
    self->busy_ = false;
    if (!killed) {
      for (const Pending& call : calls) self->deny(call);
    }
    self->tell_next();
  };
  effects_.tell(std::exchange(telling_, {}), std::move(done));
}

void Violations::tell_summary() {
  if (!judge_ || !judge_->has_untold()) return;
  telling_.summary += (telling_.summary.empty() ? "" : ", ") + judge_->summary();
  tell_next();
}

}  // namespace gabion::shim
