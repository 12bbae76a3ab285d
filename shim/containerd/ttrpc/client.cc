#include "shim/containerd/ttrpc/client.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <utility>

#include "base/text.h"
#include "shim/containerd/proto/message.h"

namespace gabion::ttrpc {

namespace {

constexpr int64_t kAnswerMs = 5'000;
constexpr int64_t kBackoffMs = 1'000;

Result<Fd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return make_error(Code::kInvalid, concat({"socket ", path, ": the path is too long"}));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return sys_error("socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return sys_error(concat({"connect to ", path}));
  }
  return socket;
}

}  // namespace

Client::Client(shim::Loop& loop, std::string path, std::string service, std::string method)
    : loop_(loop), path_(std::move(path)), service_(std::move(service)), method_(std::move(method)) {}

Client::~Client() { loop_.cancel(timer_); }

void Client::deliver(std::string payload) {
  if (waiting_.size() >= kMaxWaiting) waiting_.erase(waiting_.begin() + (asked_ != 0 ? 1 : 0));
  waiting_.push_back(std::move(payload));
  if (asked_ == 0 && timer_ == 0) send_first();
}

Status Client::connect() {
  Fd socket = TRY(connect_to(path_));
  next_stream_ = 1;
  stream_ = std::make_unique<Stream>(
      loop_, std::move(socket),
      Stream::Events{.frame = [this](const Frame& frame) { take(frame); }, .closed = [this] { failed(); }});
  return stream_->start();
}

void Client::send_first() {
  if (waiting_.empty()) return;
  if (stream_ == nullptr && !connect().ok()) return failed();
  Request request{.service = service_,
                  .method = method_,
                  .payload = waiting_.front(),
                  .timeout_nano = kAnswerMs * 1'000'000,
                  .metadata = {}};
  asked_ = next_stream_;
  next_stream_ += 2;
  const Result<std::string> frame = format_frame(asked_, FrameType::kRequest, proto::encode(request));
  if (!frame.ok()) return done();  // it can never be said
  timer_ = loop_.after(kAnswerMs, [this] {
    timer_ = 0;
    failed();
  });
  stream_->send(*frame);
}

void Client::take(const Frame& frame) {
  if (frame.type != FrameType::kResponse || frame.stream != asked_) return;
  // A refusal is an answer, too: asking again would not change it.
  done();
}

void Client::done() {
  loop_.cancel(std::exchange(timer_, 0));
  asked_ = 0;
  attempts_ = 0;
  if (!waiting_.empty()) waiting_.pop_front();
  send_first();
}

// No answer, or nobody there.
void Client::failed() {
  loop_.cancel(std::exchange(timer_, 0));
  const bool was_asked = std::exchange(asked_, 0) != 0;
  if (stream_ != nullptr) {
    // Not at once: it may be the stream that calls.
    loop_.after(0, [old = std::shared_ptr<Stream>(std::move(stream_))] {});
  }
  if (waiting_.empty() && !was_asked) return;  // an idle connection was closed
  if (++attempts_ >= kAttempts) {
    attempts_ = 0;
    if (!waiting_.empty()) waiting_.pop_front();
  }
  if (waiting_.empty()) return;
  timer_ = loop_.after(kBackoffMs, [this] {
    timer_ = 0;
    send_first();
  });
}

}  // namespace gabion::ttrpc
