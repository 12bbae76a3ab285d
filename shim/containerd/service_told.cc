// What the audit log is told that no client has asked for.
#include <signal.h>

#include <memory>
#include <string>
#include <utility>

#include "base/text.h"
#include "container/watcher.h"
#include "shim/containerd/service.h"
#include "shim/containerd/service_work.h"

namespace gabion::shim {

// Only a deletion waits for it: what has happened has happened, and a log that fails keeps a note of the gap
// by itself.
void Service::write(Container& owner, OwnWork work) {
  owner.own_work.push_back(std::move(work));
  if (owner.own_work.size() == 1) write_next(owner);
}

void Service::write_next(Container& owner) {
  OwnWork& next = owner.own_work.front();
  do_own(
      owner, answered_empty(next.change),
      [this, weak = owner.weak_from_this()](const Result<std::string>& result) {
        const std::shared_ptr<Container> told = weak.lock();  // not another one of its name
        if (told == nullptr) return;
        const OwnWork work = std::move(told->own_work.front());
        if (work.done) work.done(result.ok());  // more may follow
        told->own_work.pop_front();
        if (!told->own_work.empty()) return write_next(*told);
        for (const auto& deletion : std::exchange(told->deletions, {})) deletion();
      },
      std::move(next.held));
}

void Service::note(Container& owner, const char* event, const std::string& detail, Fd held) {
  auto change = [id = owner.id, event, detail](const container::Host& host) {
    return container::note(host, id, event, detail);
  };
  write(owner, {.change = std::move(change), .done = {}, .held = std::move(held)});
}

// A container that makes the kernel kill its processes over and over decides how often, and must not decide
// how fast the log grows.
void Service::tell_oom(Container& owner) {
  if (owner.oom_timer != 0) {
    ++owner.ooms_untold;
    return;
  }
  constexpr int64_t kQuietMs = 10'000;
  events_.publish(proto::TaskOom{.container_id = owner.id});
  const uint64_t untold = std::exchange(owner.ooms_untold, 0);
  note(owner, "container.oom", untold == 0 ? "" : concat({std::to_string(untold), " times"}));
  owner.oom_timer = loop_.after(kQuietMs, [this, weak = owner.weak_from_this()] {
    const std::shared_ptr<Container> told = weak.lock();
    if (told == nullptr) return;
    told->oom_timer = 0;
    if (told->ooms_untold != 0) tell_oom(*told);
  });
}

// --- violations --------------------------------------------------------------------------------

Result<Fd> Service::open_violations(Container& owner) {
  Violations::Effects effects;
  effects.tell = [this, weak = owner.weak_from_this()](container::Telling telling,
                                                       std::function<void(bool)> done) {
    const std::shared_ptr<Container> told = weak.lock();
    if (told == nullptr) return;
    auto answered = [kill = telling.kill, done = std::move(done)](bool ok) { done(kill && ok); };
    auto change = [id = told->id, telling = std::move(telling)](const container::Host& host) {
      return container::tell_violations(host, id, telling);
    };
    write(*told, {.change = std::move(change), .done = std::move(answered), .held = {}});
  };
  effects.freeze = [this, weak = owner.weak_from_this()] {
    if (const std::shared_ptr<Container> told = weak.lock()) freeze(*told);
  };
  auto [violations, end] = TRY(Violations::open(loop_, listeners_, std::move(effects)));
  owner.violations = std::move(violations);
  return std::move(end);
}

void Service::begin_violations(Container& owner, const CreateReport& report) {
  Result<container::Judge> judge =
      report.violations.empty() ? Result<container::Judge>(make_error(Code::kNotFound, "no violations"))
                                : container::Judge::of(report.seccomp_profile, violations_of(report));
  if (judge.ok()) {
    owner.violations->begin(std::move(judge).value());
  } else {
    owner.violations.reset();
  }
}

void Service::freeze(Container& owner) {
  auto change = [id = owner.id](const container::Host& host) { return container::freeze_violator(host, id); };
  // Called while it is there: nothing outlives it that is its own.
  auto done = [this, &owner](bool frozen) {
    if (!frozen || owner.paused) return;
    owner.paused = true;
    events_.publish_paused(proto::TaskPaused{.container_id = owner.id}, true);
  };
  write(owner, {.change = std::move(change), .done = std::move(done), .held = {}});
}

}  // namespace gabion::shim
