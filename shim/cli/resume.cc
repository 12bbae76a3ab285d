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
    .run = run_resume,
};

}  // namespace gabion::cli
