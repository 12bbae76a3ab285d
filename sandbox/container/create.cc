// create, start and run.
#include <signal.h>

#include "base/text.h"
#include "container/container.h"
#include "container/foreground.h"
#include "container/launch.h"
#include "container/lifecycle.h"
#include "container/start_socket.h"

namespace gabion::container {

namespace {

// The record of a launch that failed; what it would have been called is known without a state.
audit::Record create_record(const Host& host, const CreateOptions& options) {
  State asked;
  asked.id = options.id;
  asked.bundle = options.bundle;
  return audit_record(host, "container.create", asked);
}

// runc's words: engines and people search for them.
template <typename T>
Result<T> starting(Result<T> result) {
  if (result.ok() || result.error().code == Code::kRefused || result.error().code == Code::kExists)
    return result;
  return std::move(result).error().wrap("unable to start container process");
}

}  // namespace

Result<Created> create(const Host& host, const CreateOptions& options) {
  const Store store = TRY(Store::open(host.root));
  const auto made = TRY(with_outcome(host, create_record(host, options),
                                     starting(launch(host, store, options, StartMode::kLater))));
  const State& state = made->state;
  return Created{made->child.pid, state.own_pid_namespace, state.cgroup, state.controls.seccomp_profile,
                 state.controls.violations};
}

Status start(const Host& host, const std::string& id) {
  const Store store = TRY(Store::open(host.root));
  Fd lock = TRY(store.lock(id));
  Live live = TRY(inspect(store, id, true));
  switch (live.status) {
    case ContainerStatus::kCreated:
      break;
    case ContainerStatus::kStopped:
      return make_error(Code::kWrongState, "cannot start a container that has stopped");
    case ContainerStatus::kRunning:
      return make_error(Code::kWrongState, "cannot start an already running container");
    default:
      return make_error(Code::kWrongState,
                        concat({"cannot start a container in the ", status_name(live.status), " state"}));
  }
  const audit::Record record = audit_record(host, "container.start", live.state);
  TRY(append_audit(host, record));
  const Channel channel = TRY(connect_to_start(store.directory(id)));
  // Before the start, not after: killed in between, the state must not say "created" of a container
  // that runs. Should the start fail, the process ends and "stopped" shows by itself.
  live.state.phase = ContainerStatus::kRunning;
  TRY(store.save(live.state));
  TRY(channel.send(MessageKind::kCommit));
  TRY(with_outcome(host, record, starting(await_execution(channel))));
  Status poststart = run_poststart(host, live.state, live.state.init_pid);
  if (poststart.ok()) return poststart;
  // runtime.md, "Lifecycle": a failing poststart hook stops and deletes the container.
  lock.reset();
  (void)remove(host, id, true);
  return poststart;
}

Result<int> run(const Host& host, const CreateOptions& options, bool keep) {
  const Store store = TRY(Store::open(host.root));
  std::optional<SignalForwarder> forwarder;
  if (!options.detach) forwarder = TRY(SignalForwarder::open());
  const auto made = TRY(with_outcome(host, create_record(host, options),
                                     starting(launch(host, store, options, StartMode::kAtOnce))));
  Status poststart = run_poststart(host, made->state, made->child.pid);
  if (!poststart.ok()) {
    // As in start().
    (void)remove(host, options.id, true);
    return Error(poststart.error());
  }
  if (options.detach) return 0;
  const int code = TRY(forwarder->wait(made->child.pid, made->terminal.get()));
  if (keep) return code;
  const Status removed = remove(host, options.id, true);
  if (!removed.ok()) return Error(removed.error());
  return code;
}

}  // namespace gabion::container
