// A container's violations (container/watcher.h), heard of by the shim: no process beside the container.
//
// The shim never waits, so what takes time is a worker's: a call that is told waits for its error until it is
// in the audit log, and those that come meanwhile are told together by the next worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "container/watcher.h"
#include "kernel/notify.h"
#include "policy/violations.h"
#include "shim/containerd/loop/loop.h"

namespace gabion::shim {

class Violations : public std::enable_shared_from_this<Violations> {
 public:
  struct Effects {
    // `done` is called later: whether nobody is left to be answered.
    std::function<void(container::Telling telling, std::function<void(bool killed)> done)> tell;
    std::function<void()> freeze;
  };

  // The second: what the runtime gets as CreateOptions::watcher. `listeners` counts those of all the pod's
  // containers, and outlives this.
  static Result<std::pair<std::shared_ptr<Violations>, Fd>> open(Loop& loop, size_t& listeners,
                                                                 Effects effects);
  Violations(const Violations&) = delete;
  Violations& operator=(const Violations&) = delete;
  ~Violations();

  // The policy's word. Until then nothing is answered: the container has not been started.
  void begin(container::Judge judge);
  // What was only counted is told: every ten seconds, and when the container has ended.
  void tell_summary();

 private:
  using Listener = kernel::seccomp::Listener;
  // A call whose caller waits.
  struct Pending {
    std::shared_ptr<Listener> from;
    uint64_t id = 0;
    int error = 0;
    policy::Answer answer = policy::Answer::kOff;
  };

  Violations(Loop& loop, size_t& listeners, Effects effects, Fd socket);
  void receive_end();
  void accept();
  void add_connection(Fd connection);
  void adopt(int connection);
  void serve(const std::shared_ptr<Listener>& listener, uint32_t events);
  void answer(const std::shared_ptr<Listener>& listener, const kernel::seccomp::Notification& call);
  void deny(const Pending& call) const;
  void rest(Pending call);
  void listen(uint32_t events);
  void tell_next();

  Loop& loop_;
  size_t& count_;
  Effects effects_;
  Fd socket_;     // where the runtime sends its ends
  Fd listening_;  // where processes of exec connect
  bool connected_ = false;
  std::vector<Fd> connections_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::optional<container::Judge> judge_;
  container::Telling telling_;  // for the next worker
  std::vector<Pending> pending_;
  bool busy_ = false;     // a worker is at one
  uint64_t resting_ = 0;  // timers; 0: none
  uint64_t summary_ = 0;
};

}  // namespace gabion::shim
