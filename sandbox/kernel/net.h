// The container's network namespace: only loopback is ours to bring up, the engine does the rest.
#pragma once

#include <pthread.h>

#include <memory>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::kernel {

// Sets "lo" up in the caller's network namespace (netdevice(7)).
Status bring_loopback_up();

// A new network namespace with loopback up, made by a thread of its own while the caller goes on. The
// kernel sets up every network subsystem for it, which takes longer than all other namespaces together.
class NetworkMaker {
 public:
  static Result<NetworkMaker> start();
  NetworkMaker() = default;  // not started
  NetworkMaker(NetworkMaker&&) noexcept = default;
  NetworkMaker& operator=(NetworkMaker&&) = delete;
  NetworkMaker(const NetworkMaker&) = delete;
  NetworkMaker& operator=(const NetworkMaker&) = delete;
  ~NetworkMaker();

  [[nodiscard]] bool started() const { return work_ != nullptr; }
  // Once, when started, and before the caller clones: no other thread runs code of this program afterwards
  // (the kernel may still be taking it apart, and count it). The namespace belongs to the caller's user
  // namespace; the descriptor alone keeps it alive.
  Result<Fd> take();

 private:
  struct Work {
    pthread_t thread{};
    Result<Fd> made{Fd()};
  };
  static void* make(void* work);

  std::unique_ptr<Work> work_;
};

}  // namespace gabion::kernel
