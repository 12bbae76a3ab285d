// The serving end: clients that are root, requests that may be answered later and in any order.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <set>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "shim/containerd/loop/loop.h"
#include "shim/containerd/ttrpc/frame.h"
#include "shim/containerd/ttrpc/stream.h"

namespace gabion::ttrpc {

// A connection, and SO_PEERCRED of its client when it connected.
struct Peer {
  uint64_t client = 0;  // no other connection's of this server; from 1
  pid_t pid = 0;
  uid_t uid = 0;
};

// An encoded response message, or why there is none.
using Answer = Result<std::string>;

// Answers one request, once. A client that has gone meanwhile is told nothing.
using Respond = std::function<void(Answer)>;
using Handler = std::function<void(const Request& request, const Peer& peer, const Respond& respond)>;

class Server {
 public:
  Server(shim::Loop& loop, Fd listening, Handler handler);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  Status start();

  // What one client may have open at once. Wait is answered only when a process ends, and a client asks it
  // once for each process.
  static constexpr size_t kMaxOpenRequests = 4096;
  static constexpr size_t kMaxClients = 128;

 private:
  struct Client {
    Peer peer;
    std::unique_ptr<Stream> stream;
    uint32_t last_stream = 0;
    std::set<uint32_t> open;
  };
  void accept();
  void take(const std::shared_ptr<Client>& client, const Frame& frame);
  static void answer(Client& client, uint32_t stream, const Answer& answer);
  static void reply(Client& client, uint32_t stream, const Response& response);

  shim::Loop& loop_;
  Fd listening_;
  Handler handler_;
  std::list<std::shared_ptr<Client>> clients_;
  uint64_t accepted_ = 0;
  uint64_t paused_ = 0;  // timer; 0: none
};

}  // namespace gabion::ttrpc
