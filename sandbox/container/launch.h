// From a bundle to a container whose first process waits for its start. Private to container/.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "container/container.h"
#include "container/spawn.h"
#include "container/state.h"
#include "container/store.h"
#include "kernel/cgroup.h"

namespace gabion::container {

enum class StartMode { kLater, kAtOnce };

// Everything a launch has made so far, unmade again in the right order unless it is kept: process,
// cgroup, id range; the reservation then erases the directory.
class Launch {
 public:
  Launch(const Store& store, Reservation reservation, State first)
      : state(std::move(first)),
        directory_(store.directory(state.id)),
        reservation_(std::move(reservation)) {}
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;
  ~Launch();
  void keep();

  // NOLINTBEGIN(misc-non-private-member-variables-in-classes): the guard shows what it guards
  State state;
  std::optional<kernel::Cgroup> cgroup;
  Child child;
  Fd terminal;  // foreground runs: the master of the container's console

  // NOLINTEND(misc-non-private-member-variables-in-classes)

 private:
  std::string directory_;
  std::optional<Reservation> reservation_;  // its lock is held until the launch is kept
  bool kept_ = false;
};

// Up to and including "created": hooks run, state and pid file written, and, with kAtOnce, the start
// given. The returned launch is kept already.
Result<std::unique_ptr<Launch>> launch(const Host& host, const Store& store, const CreateOptions& options,
                                       StartMode mode);

Status run_poststart(const Host& host, const State& state, pid_t pid);

}  // namespace gabion::container
