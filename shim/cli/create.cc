#include <sys/stat.h>

#include "base/text.h"
#include "shim/cli/command.h"
#include "shim/cli/create_options.h"

namespace gabion::cli {

Result<container::CreateOptions> create_options(const Arguments& arguments) {
  container::CreateOptions options;
  options.id = arguments.positional().back();  // `profile record ID` has a word before it
  if (arguments.has("bundle")) options.bundle = arguments.text("bundle");
  if (arguments.has("config")) options.config = arguments.text("config");
  options.console_socket = arguments.text("console-socket");
  options.pidfd_socket = arguments.text("pidfd-socket");
  options.pid_file = arguments.text("pid-file");
  options.preserve_fds = arguments.count("preserve-fds");
  options.no_pivot = arguments.on("no-pivot");
  options.no_new_keyring = arguments.on("no-new-keyring");
  struct stat info {};
  if (::stat(options.bundle.c_str(), &info) != 0) return sys_error(concat({"bundle ", options.bundle}));
  if (!S_ISDIR(info.st_mode)) return sys_error(concat({"bundle ", options.bundle}), ENOTDIR);
  return options;
}

namespace {

constexpr Flag kFlags[] = {kBundleFlag,      kConfigFlag,  kConsoleSocketFlag, kPidfdSocketFlag, kPidFileFlag,
                           kPreserveFdsFlag, kNoPivotFlag, kNoNewKeyringFlag,  kNoSubreaperFlag};

Result<int> run_create(const Context& context, const Arguments& arguments) {
  container::CreateOptions options = TRY(create_options(arguments));
  options.detach = true;
  Session session = TRY(Session::open(context, Need::kHarden));
  TRY(container::create(session.host(), options));
  return 0;
}

}  // namespace

constexpr Command kCreate = {
    .name = "create",
    .summary = "create a container",
    .usage = "ID",
    .description =
        "   Reads the bundle's config.json, hardens it by the policy and makes the container up to the "
        "point\n"
        "   where its process is about to be executed; `start` executes it. ID is unique on the node.\n",
    .flags = kFlags,
    .run = run_create,
    .failure = "% create failed",
};

}  // namespace gabion::cli
