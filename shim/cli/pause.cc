#include "shim/cli/command.h"

namespace gabion::cli {

namespace {

Result<int> run_pause(const Context& context, const Arguments& arguments) {
  Session session = TRY(Session::open(context, Need::kChange));
  TRY(container::pause(session.host(), arguments.positional()[0]));
  return 0;
}

}  // namespace

constexpr Command kPause = {
    .name = "pause",
    .summary = "suspend every process of a container",
    .usage = "ID",
    .run = run_pause,
};

}  // namespace gabion::cli
