#include "shim/cli/command.h"
#include "shim/cli/info_document.h"

namespace gabion::cli {

namespace {

Result<int> run_state(const Context& context, const Arguments& arguments) {
  Session session = TRY(Session::open(context, Need::kState));
  const container::Info info = TRY(container::info(session.host(), arguments.positional()[0]));
  TRY(print(indent_by(info_document(info), 2) + "\n"));
  return 0;
}

}  // namespace

constexpr Command kState = {
    .name = "state",
    .summary = "print the state of a container as JSON",
    .usage = "ID",
    .run = run_state,
};

}  // namespace gabion::cli
