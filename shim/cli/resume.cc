#include "shim/cli/command.h"

namespace gabion::cli {

namespace {

Result<int> run_resume(const Context& context, const Arguments& arguments) {
  Session session = TRY(Session::open(context, Need::kChange));
  TRY(container::resume(session.host(), arguments.positional()[0]));
  return 0;
}

}  // namespace

constexpr Command kResume = {
    .name = "resume",
    .summary = "resume every process of a paused container",
    .usage = "ID",
    .description = "",
    .flags = {},
    .order = Order::kFlagsAnywhere,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_resume,
    .failure = nullptr,
    .failure_code = 1,
};

}  // namespace gabion::cli
