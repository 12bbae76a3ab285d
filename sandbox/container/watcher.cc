#include "container/watcher.h"

#include <linux/seccomp.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include <cerrno>
#include <map>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "container/lifecycle.h"
#include "container/store.h"
#include "kernel/socket.h"

namespace gabion::container {
namespace {

constexpr time_t kAnswerSeconds = 10;
// What a message of a process is answered with.
constexpr char kListens = 'k';
constexpr char kNoRoom = 'f';

}  // namespace

Status send_ends(int watcher, const WatcherEnds& ends) {
  TRY(kernel::send_descriptor(watcher, ends.connection.get(), "connection"));
  return kernel::send_descriptor(watcher, ends.listening.get(), "listening");
}

Result<kernel::seccomp::Listener> take_listener(int connection, bool room) {
  Result<Fd> sent = kernel::receive_descriptor(connection);
  if (!sent.ok() || !room) {
    (void)::send(connection, &kNoRoom, 1, MSG_NOSIGNAL);
    return sent.ok() ? make_error(Code::kSystem, "no room for another listener") : std::move(sent).error();
  }
  kernel::seccomp::Listener listener = TRY(kernel::seccomp::Listener::adopt(std::move(sent).value()));
  (void)::send(connection, &kListens, 1, MSG_NOSIGNAL);
  return listener;
}

Status hand_over(int watcher, int listener) {
  constexpr std::string_view kWhat = "violations: hand the filter to the container's monitor";
  const timeval patience{.tv_sec = kAnswerSeconds, .tv_usec = 0};
  (void)::setsockopt(watcher, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  TRY_AT(kernel::send_descriptor(watcher, listener, "listener"), kWhat);
  char answer = 0;
  ssize_t size = 0;
  do {
    size = ::recv(watcher, &answer, 1, 0);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return sys_error(std::string(kWhat));
  if (size == 1 && answer == kListens) return ok_status();
  if (size == 1) {
    return make_error(Code::kSystem,
                      concat({kWhat,
                              ": it has no descriptor left for another process (the hard limit of "
                              "RLIMIT_NOFILE of whoever created the container): end a process that was "
                              "entered by exec, or create the container again under a higher limit"}));
  }
  return make_error(Code::kSystem,
                    concat({kWhat, ": it has ended (it cannot write the audit log, or was killed)"}));
}

Result<Judge> Judge::of(const std::string& seccomp_profile, const policy::Violations& answers) {
  // Raw sockets among them: an answer is looked up here only for a call that a filter has asked for.
  const auto* watch = kernel::seccomp::watching_profile(seccomp_profile, false);
  if (watch != nullptr) return Judge(*watch, answers);
  return make_error(Code::kInternal, concat({"violations: no profile ", seccomp_profile, " to listen to"}));
}

Verdict Judge::judge(const kernel::seccomp::Listener& listener, const kernel::seccomp::Notification& call,
                     int64_t now_ns) {
  const kernel::seccomp::WatchedCall* watched =
      kernel::seccomp::find_watched(watch_->watch, static_cast<uint32_t>(call.nr));
  // What is not watched, or off, is denied by the filter itself and does not come here; if it did, it would
  // not be free.
  if (watched == nullptr) return {.error = EPERM, .answer = policy::Answer::kOff, .told = std::nullopt};
  const uint32_t action = kernel::seccomp::evaluate(watched->verdict, call.args);
  Verdict verdict;
  verdict.error = (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO
                      ? static_cast<int>(action & SECCOMP_RET_DATA)
                      : EPERM;
  verdict.answer = answers_.answer(watched->kind);
  if (verdict.answer == policy::Answer::kOff) return verdict;
  if (!budget_.take(watched->number, now_ns)) {
    untold_ = true;
    return verdict;
  }
  verdict.told = describe(call, listener, *watched, verdict.error);
  verdict.told->unreported = budget_.collect(watched->number);
  return verdict;
}

std::string Judge::summary() {
  untold_ = false;
  std::string text;
  for (const auto& [number, count] : budget_.collect_all()) {
    text += concat({text.empty() ? "" : ", ", call_name(number), " ", std::to_string(count)});
  }
  return text;
}

void write_violation(const Host& host, const State& state, policy::Answer answer,
                     audit::Violation violation) {
  audit::Record record = audit_record(host, "violation", state);
  record.outcome = "refuse";
  record.detail = policy::kAnswers[static_cast<size_t>(answer)];
  record.violation = std::move(violation);
  append_audit_or_debug(host, record);
}

void write_summary(const Host& host, const State& state, std::string summary) {
  if (summary.empty()) return;
  audit::Record record = audit_record(host, "violation.repeated", state);
  record.outcome = "refuse";
  record.detail = std::move(summary);
  append_audit_or_debug(host, record);
}

Status end_violator(const Host& host, const std::string& id) {
  return kill(host, id, SIGKILL, !host.no_cgroups);
}

Status freeze_violator(const Host& host, const std::string& id) {
  Status frozen = pause(host, id);
  if (frozen.ok()) return frozen;
  const Result<Info> now = info(host, id);
  if (now.ok() && now->status == ContainerStatus::kPaused) return ok_status();  // by the call before this one
  (void)end_violator(host, id);
  return frozen;
}

Status tell_violations(const Host& host, const std::string& id, const Telling& telling) {
  const Store store = TRY(Store::open(host.root));
  const State state = TRY(store.load(id));
  for (const auto& [answer, violation] : telling.told) write_violation(host, state, answer, violation);
  write_summary(host, state, telling.summary);
  return telling.kill ? end_violator(host, id) : ok_status();
}

}  // namespace gabion::container
