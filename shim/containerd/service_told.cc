// What the audit log is told that no client has asked for.
#include <signal.h>
#include <unistd.h>

#include <utility>

#include "container/watcher.h"
#include "shim/containerd/service.h"
#include "shim/containerd/service_work.h"

namespace gabion::shim {

// Only a deletion waits for it: what has happened has happened, and a log that fails keeps a note of the gap
// by itself.
void Service::write(Container& owner, const std::function<Status(const container::Host&)>& change,
                    std::function<void(bool done)> done) {
  ++owner.notes;
  ask(owner, Need::kStop, ::getpid(), answered_empty(change),
      [this, id = owner.id, done = std::move(done)](const Result<std::string>& result) {
        const Result<Container*> found = container(id);
        if (!found.ok()) return;
        if (done) done(result.ok());
        if (--(*found)->notes != 0) return;
        for (const auto& deletion : std::exchange((*found)->deletions, {})) deletion();
      });
}

void Service::note(Container& owner, const char* event, const std::string& detail) {
  write(owner,
        [id = owner.id, event, detail](const container::Host& host) {
          return container::note(host, id, event, detail);
        },
        {});
}

// --- violations --------------------------------------------------------------------------------

Result<Fd> Service::open_violations(Container& owner) {
  Violations::Effects effects;
  effects.tell = [this, id = owner.id](container::Telling telling, std::function<void(bool)> done) {
    const Result<Container*> found = container(id);
    if (!found.ok()) return;
    auto answered = [kill = telling.kill, done = std::move(done)](bool ok) { done(kill && ok); };
    write(
        **found,
        [id, telling = std::move(telling)](const container::Host& host) {
          return container::tell_violations(host, id, telling);
        },
        std::move(answered));
  };
  effects.freeze = [this, id = owner.id] { freeze(id); };
  auto [violations, end] = TRY(Violations::open(loop_, std::move(effects)));
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

void Service::freeze(const std::string& id) {
  const Result<Container*> found = container(id);
  if (!found.ok()) return;
  write(
      **found, [id](const container::Host& host) { return container::freeze_violator(host, id); },
      [this, id](bool done) {
        const Result<Container*> frozen = container(id);
        if (!done || !frozen.ok() || (*frozen)->paused) return;
        (*frozen)->paused = true;
        events_.publish_paused(proto::TaskPaused{.container_id = id}, true);
      });
}

}  // namespace gabion::shim
