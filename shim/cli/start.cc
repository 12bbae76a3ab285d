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
    .description = "",
    .flags = {},
    .order = Order::kFlagsAnywhere,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_start,
    .failure = nullptr,
    .failure_code = 1,
};

}  // namespace gabion::cli
