#include "shim/cli/command.h"
#include "shim/cli/matching.h"

namespace gabion::cli {

namespace {

constexpr Flag kFlags[] = {
    {"force", 'f', FlagKind::kSwitch, nullptr,
     "kill the container first if it runs; no error if there is none"},
    {"regex", 'r', FlagKind::kSwitch, nullptr, "ID is an extended regular expression: delete every match"},
};

Result<int> run_delete(const Context& context, const Arguments& arguments) {
  Session session = TRY(Session::open(context, Need::kStop));
  const bool force = arguments.on("force");
  const std::string& id = arguments.positional()[0];
  if (!arguments.on("regex")) {
    TRY(container::remove(session.host(), id, force));
    return 0;
  }
  // One that cannot be deleted does not keep the others; it decides the exit code.
  const std::vector<std::string> ids = TRY(matching_ids(session.host(), id));
  int exit_code = 0;
  for (const std::string& match : ids) {
    const Status removed = container::remove(session.host(), match, force);
    if (removed.ok()) continue;
    context.journal.error(removed.error().message());
    exit_code = 1;
  }
  return exit_code;
}

}  // namespace

constexpr Command kDelete = {
    .name = "delete",
    .summary = "delete a stopped container and all it holds",
    .usage = "ID",
    .flags = kFlags,
    .run = run_delete,
};

}  // namespace gabion::cli
