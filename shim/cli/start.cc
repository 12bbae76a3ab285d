#include "shim/cli/command.h"

namespace gabion::cli {

namespace {

Result<int> run_start(const Context& context, const Arguments& arguments) {
  Session session = TRY(Session::open(context, Need::kChange));
  TRY(container::start(session.host(), arguments.positional()[0]));
  return 0;
}

}  // namespace

constexpr Command kStart = {
    .name = "start",
    .summary = "run the process of a created container",
    .usage = "ID",
    .run = run_start,
};

}  // namespace gabion::cli
