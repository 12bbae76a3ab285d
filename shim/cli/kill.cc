#include <csignal>

#include "shim/cli/command.h"
#include "shim/cli/matching.h"
#include "shim/cli/signals.h"

namespace gabion::cli {

namespace {

constexpr Flag kFlags[] = {
    {"all", 'a', FlagKind::kSwitch, nullptr,
     "signal every process of the container, also after its first has exited"},
    {"regex", 'r', FlagKind::kSwitch, nullptr, "ID is an extended regular expression: signal every match"},
};

Result<int> run_kill(const Context& context, const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positional();
  const int signal = words.size() > 1 ? TRY(parse_signal(words[1])) : SIGTERM;
  const bool all = arguments.on("all");
  Session session = TRY(Session::open(context, Need::kStop));
  if (!arguments.on("regex")) {
    TRY(container::kill(session.host(), words[0], signal, all));
    return 0;
  }
  const std::vector<std::string> ids = TRY(matching_ids(session.host(), words[0]));
  int exit_code = 0;
  for (const std::string& match : ids) {
    const Status killed = container::kill(session.host(), match, signal, all);
    if (killed.ok()) continue;
    context.journal.error(killed.error().message());
    exit_code = 1;
  }
  return exit_code;
}

}  // namespace

constexpr Command kKill = {
    .name = "kill",
    .summary = "send a signal (default: SIGTERM) to a container's first process",
    .usage = "ID [SIGNAL]",
    .description = "   SIGNAL is a name with or without SIG (TERM, SIGTERM, RTMIN+3) or a number.\n",
    .flags = kFlags,
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run_kill,
};

}  // namespace gabion::cli
