#include <fcntl.h>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "shim/cli/command.h"
#include "shim/cli/create_options.h"

namespace gabion::cli {

namespace {

constexpr Flag kFlags[] = {
    {"output", 'o', FlagKind::kText, "FILE",
     "where the profile goes (default: ID.json in the current directory)"},
    kBundleFlag,
    kConfigFlag,
    kPidfdSocketFlag,
    kPidFileFlag,
    kPreserveFdsFlag,
    kNoPivotFlag,
    kNoNewKeyringFlag,
};

Result<int> run_profile(const Context& context, const Arguments& arguments) {
  if (arguments.positional()[0] != "record") {
    return make_error(Code::kInvalid, concat({"profile: unknown action \"", arguments.positional()[0],
                                              "\"; use: profile record ID"}));
  }
  const container::CreateOptions options = TRY(create_options(arguments));
  const std::string output =
      arguments.has("output") ? arguments.text("output") : concat({options.id, ".json"});
  // Asked for now: a recording of hours must not end with a directory that is not there. The file itself is
  // written whole at the end, so that one of before stays until there is a new one.
  const size_t slash = output.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : output.substr(0, slash + 1);
  TRY_AT(open_path(directory, O_PATH | O_DIRECTORY), "--output");
  Session session = TRY(Session::open(context, Need::kHarden));
  const container::Recording recording = TRY(container::record(session.host(), options));
  TRY_AT(write_file_atomic(output, recording.document, 0644), "--output");
  return recording.exit_code;
}

}  // namespace

constexpr Command kProfile = {
    .name = "profile",
    .summary = "record the system calls of a container as a seccomp profile",
    .usage = "record ID",
    .description =
        "   Runs the bundle in the foreground as `run` does, hardened by the same policy, and writes a\n"
        "   profile that allows the system calls its processes made. What the policy denies stays denied\n"
        "   and is not in it. Let the container do all it is meant to do, then stop it: a call it never\n"
        "   made is not in the profile either. The exit code is the container's. Pin the profile with\n"
        "   \"seccompFilters\" in the policy, or give it to Docker: --security-opt seccomp=FILE.\n"
        "   Under a policy with \"violations\" it is refused: record with {\"*\": \"off\"}.\n",
    .flags = kFlags,
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_profile,
    .failure = "% profile failed",
};

}  // namespace gabion::cli
