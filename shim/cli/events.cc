#include <poll.h>

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "base/text.h"
#include "container/process.h"
#include "kernel/cgroup_oom.h"
#include "kernel/cgroup_stats.h"
#include "shim/cli/command.h"
#include "shim/cli/duration.h"
#include "shim/cli/stats_document.h"

namespace gabion::cli {

namespace {

constexpr Flag kFlags[] = {
    {"interval", 0, FlagKind::kText, "DURATION", "time between two stats events (default: 5s)"},
    {"stats", 0, FlagKind::kSwitch, nullptr, "print the stats once and exit"},
};

Status print_event(const char* type, const std::string& id, std::optional<json::Value> data) {
  json::Value event = json::Value::object();
  event.set("type", json::Value::string(type));
  event.set("id", json::Value::string(id));
  if (data) event.set("data", std::move(*data));
  return print(json::write(event) + "\n");
}

Status print_stats(const std::string& id, const kernel::CgroupLocation& location) {
  const kernel::CgroupStats stats = TRY(kernel::read_stats(location));
  return print_event("stats", id, stats_document(stats));
}

// Until the container's first process exits or its cgroup is removed.
Status follow(const std::string& id, const container::Process& init, const kernel::CgroupLocation& location,
              int64_t interval_ns) {
  std::optional<kernel::OomNotifier> oom;
  Result<kernel::OomNotifier> opened = kernel::OomNotifier::open(location);
  if (opened.ok()) {
    oom = std::move(opened).value();
  } else if (opened.error().code != Code::kUnsupported) {
    return std::move(opened).error();
  }
  int64_t next_ns = monotonic_ns();
  while (true) {
    const int64_t remaining_ns = next_ns - monotonic_ns();
    if (remaining_ns <= 0) {
      Status printed = print_stats(id, location);
      const bool gone = TRY(init.wait_exit(0));
      if (gone) return ok_status();  // the cgroup may have vanished under the reader
      if (!printed.ok()) return printed;
      next_ns = monotonic_ns() + interval_ns;
      continue;
    }
    pollfd waiting[2] = {{.fd = init.pidfd(), .events = POLLIN, .revents = 0},
                         {.fd = oom ? oom->fd() : -1, .events = POLLIN, .revents = 0}};  // -1 is passed over
    const int64_t timeout_ms = std::min<int64_t>(remaining_ns / 1'000'000 + 1, 3'600'000);
    if (::poll(waiting, 2, static_cast<int>(timeout_ms)) < 0 && errno != EINTR) return sys_error("poll");
    if (waiting[1].revents != 0) {
      const kernel::OomNotifier::Event event = TRY(oom->read_event());
      if (event == kernel::OomNotifier::Event::kGone) return ok_status();
      if (event == kernel::OomNotifier::Event::kOom) TRY(print_event("oom", id, std::nullopt));
    }
    if ((waiting[0].revents & POLLIN) != 0) return ok_status();
  }
}

Result<int> run_events(const Context& context, const Arguments& arguments) {
  const std::string& id = arguments.positional()[0];
  const std::string interval = arguments.has("interval") ? arguments.text("interval") : "5s";
  const std::optional<int64_t> interval_ns = parse_duration(interval);
  if (!interval_ns) {
    return make_error(Code::kInvalid, concat({"--interval: invalid duration \"", interval,
                                              "\": expected more than zero, as in 5s, 100ms or 1m30s"}));
  }
  Session session = TRY(Session::open(context, Need::kState));
  const container::Info info = TRY(container::info(session.host(), id));
  if (info.pid == 0)
    return make_error(Code::kWrongState, concat({"container with id ", id, " is not running"}));
  const kernel::Cgroup cgroup = TRY(container::open_cgroup(session.host(), id));
  if (arguments.on("stats")) {
    TRY(print_stats(id, cgroup.location()));
    return 0;
  }
  const container::Process init = TRY(container::Process::open(info.pid, 0));
  TRY(follow(id, init, cgroup.location(), *interval_ns));
  return 0;
}

}  // namespace

constexpr Command kEvents = {
    .name = "events",
    .summary = "print what a container uses, and its out-of-memory kills, as JSON lines",
    .usage = "ID",
    .flags = kFlags,
    .run = run_events,
};

}  // namespace gabion::cli
