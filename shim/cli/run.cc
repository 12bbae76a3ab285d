#include "shim/cli/command.h"
#include "shim/cli/create_options.h"

namespace gabion::cli {

namespace {

constexpr Flag kFlags[] = {
    kBundleFlag,
    kConfigFlag,
    {"detach", 'd', FlagKind::kSwitch, nullptr, "return once the container runs"},
    {"keep", 0, FlagKind::kSwitch, nullptr, "do not delete the container when it has exited"},
    kConsoleSocketFlag,
    kPidfdSocketFlag,
    kPidFileFlag,
    kPreserveFdsFlag,
    kNoPivotFlag,
    kNoNewKeyringFlag,
    kNoSubreaperFlag,
};

Result<int> run_run(const Context& context, const Arguments& arguments) {
  container::CreateOptions options = TRY(create_options(arguments));
  options.detach = arguments.on("detach");
  Session session = TRY(Session::open(context, Need::kHarden));
  return container::run(session.host(), options, arguments.on("keep"));
}

}  // namespace

constexpr Command kRun = {
    .name = "run",
    .summary = "create and start a container",
    .usage = "ID",
    .description =
        "   In the foreground (the default) the exit code is the container's: 128+N when signal N killed\n"
        "   it; the container is deleted when it has exited.\n",
    .flags = kFlags,
    .run = run_run,
    .failure = "% run failed",
};

}  // namespace gabion::cli
