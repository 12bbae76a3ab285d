#include "shim/containerd/ttrpc/server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/text.h"
#include "shim/containerd/proto/message.h"

namespace gabion::ttrpc {

namespace {

Response refusal(RpcCode code, std::string message) {
  return {.status = {.code = static_cast<int32_t>(code), .message = std::move(message)}, .payload = {}};
}

}  // namespace

Server::Server(shim::Loop& loop, Fd listening, Handler handler)
    : loop_(loop), listening_(std::move(listening)), handler_(std::move(handler)) {}

Server::~Server() {
  if (paused_ != 0) loop_.cancel(paused_);
  loop_.forget(listening_.get());
}

Status Server::start() {
  return loop_.watch(listening_.get(), EPOLLIN, [this](uint32_t) { accept(); });
}

void Server::accept() {
  Fd socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid()) {
    // No descriptor to be had (EMFILE): who asks goes on waiting, and so does this, instead of asking for
    // ever.
    constexpr int64_t kPauseMs = 100;
    if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS) return;
    (void)loop_.change(listening_.get(), 0);
    paused_ = loop_.after(kPauseMs, [this] {
      paused_ = 0;
      (void)loop_.change(listening_.get(), EPOLLIN);
    });
    return;
  }
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return;
  // The directory's and the socket's modes say the same; a descriptor may have been passed on.
  if (credentials.uid != ::geteuid() || credentials.gid != ::getegid()) return;
  if (clients_.size() >= kMaxClients) return;

  auto client = std::make_shared<Client>();
  client->peer = {.client = ++accepted_, .pid = credentials.pid, .uid = credentials.uid};
  const std::weak_ptr<Client> weak = client;
  client->stream = std::make_unique<Stream>(
      loop_, std::move(socket),
      Stream::Events{.frame =
                         [this, weak](const Frame& frame) {
                           if (const auto strong = weak.lock()) take(strong, frame);
                         },
                     .closed =
                         [this, weak] {
                           // Not at once: it is the stream that calls.
                           loop_.after(0, [this, weak] { clients_.remove(weak.lock()); });
                         }});
  if (client->stream->start().ok()) clients_.push_back(std::move(client));
}

void Server::take(const std::shared_ptr<Client>& client, const Frame& frame) {
  const uint32_t stream = frame.stream;
  if (stream % 2 == 0) {
    return reply(*client, stream,
                 refusal(RpcCode::kInvalidArgument, "StreamID must be odd for client initiated streams"));
  }
  if (frame.type != FrameType::kRequest) {
    return reply(*client, stream,
                 refusal(RpcCode::kInvalidArgument, "streams of several messages are not served"));
  }
  if (stream <= client->last_stream) {
    return reply(*client, stream,
                 refusal(RpcCode::kInvalidArgument, "StreamID cannot be re-used and must increment"));
  }
  client->last_stream = stream;
  const Result<Request> request = proto::decode<Request>(frame.message);
  if (!request.ok()) {
    return reply(*client, stream, refusal(RpcCode::kInvalidArgument, request.error().message()));
  }
  if (client->open.size() >= kMaxOpenRequests) {
    return reply(*client, stream,
                 refusal(RpcCode::kResourceExhausted, "too many requests wait for their answers"));
  }
  client->open.insert(stream);
  handler_(*request, client->peer, [weak = std::weak_ptr<Client>(client), stream](const Answer& given) {
    if (const auto strong = weak.lock()) answer(*strong, stream, given);
  });
}

void Server::answer(Client& client, uint32_t stream, const Answer& answer) {
  if (client.open.erase(stream) == 0) return;
  Response response;
  if (answer.ok()) {
    response.payload = *answer;
  } else {
    response.status = status_of(answer.error());
  }
  reply(client, stream, response);
}

void Server::reply(Client& client, uint32_t stream, const Response& response) {
  const Result<std::string> frame = format_frame(stream, FrameType::kResponse, proto::encode(response));
  if (frame.ok()) return client.stream->send(*frame);
  const Result<std::string> instead =
      format_frame(stream, FrameType::kResponse,
                   proto::encode(refusal(RpcCode::kResourceExhausted, "the answer is longer than 4 MiB")));
  if (instead.ok()) client.stream->send(*instead);
}

}  // namespace gabion::ttrpc
