#include "base/file.h"
#include "base/text.h"
#include "oci/check.h"
#include "oci/reader.h"
#include "shim/cli/command.h"
#include "shim/cli/create_options.h"
#include "shim/cli/exec_process.h"

namespace gabion::cli {

namespace {

constexpr size_t kMaxProcessBytes = size_t{16} << 20;

constexpr Flag kFlags[] = {
    {"process", 'p', FlagKind::kText, "FILE", "read the whole process (OCI's process object) from FILE"},
    {"cwd", 0, FlagKind::kText, "DIR", "working directory in the container"},
    {"env", 'e', FlagKind::kList, "NAME=VALUE", "set an environment variable; may be repeated"},
    {"user", 'u', FlagKind::kText, "UID[:GID]", "user, by number"},
    {"additional-gids", 'g', FlagKind::kList, "GID", "a further group; may be repeated"},
    {"tty", 't', FlagKind::kSwitch, nullptr, "give the process a pseudo-terminal"},
    {"detach", 'd', FlagKind::kSwitch, nullptr, "return once the process runs"},
    {"cap", 'c', FlagKind::kList, "NAME", "ask for a capability; the policy may say no"},
    {"no-new-privs", 0, FlagKind::kSwitch, nullptr, "set no_new_privs"},
    {"apparmor", 0, FlagKind::kText, "PROFILE", "AppArmor profile"},
    {"process-label", 0, FlagKind::kText, "LABEL", "SELinux label"},
    {"cgroup", 0, FlagKind::kList, "PATH", "an existing cgroup below the container's, [controller:]path"},
    {"ignore-paused", 0, FlagKind::kSwitch, nullptr, "exec in a paused container: it waits for resume"},
    kConsoleSocketFlag,
    kPidfdSocketFlag,
    kPidFileFlag,
    kPreserveFdsFlag,
    kNoSubreaperFlag,
};

// --process names everything; a flag beside it would be dropped without a word.
Status check_alone(const Arguments& arguments, size_t words) {
  for (const char* name :
       {"cwd", "env", "user", "additional-gids", "cap", "no-new-privs", "apparmor", "process-label"}) {
    if (arguments.has(name)) {
      return make_error(Code::kInvalid,
                        concat({"--", name, " cannot be used with --process: set it in that file"}));
    }
  }
  if (words > 1)
    return make_error(Code::kInvalid, "a command cannot be used with --process: set args in that file");
  return ok_status();
}

Result<oci::Process> read_process_file(const std::string& path) {
  const std::string text = TRY(read_file(path, kMaxProcessBytes));
  const json::Value document = TRY(json::parse(text, path));
  return oci::read_process(document);
}

Result<oci::Process> asked_process(const container::Host& host, const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positional();
  if (arguments.has("process")) {
    TRY(check_alone(arguments, words.size()));
    oci::Process process = TRY(read_process_file(arguments.text("process")));
    if (arguments.on("tty")) process.terminal = true;
    return process;
  }
  const oci::Spec spec = TRY(container::config(host, words[0]));
  // `exec ID -- ls`: what people type after other tools.
  const size_t skip = words.size() > 1 && words[1] == "--" ? 2 : 1;
  return merge_exec(spec.process.value_or(oci::Process{}), arguments, std::span(words).subspan(skip));
}

// runc's rules and words: a terminal needs someone to hold its other end.
Status check_console(const std::string& program, const container::ExecOptions& options) {
  if (options.process.terminal && options.detach && options.console_socket.empty()) {
    return make_error(Code::kInvalid, concat({"cannot allocate tty if ", program,
                                              " will detach without setting console socket"}));
  }
  if (!options.console_socket.empty() && !(options.process.terminal && options.detach)) {
    return make_error(Code::kInvalid,
                      concat({"cannot use console socket if ", program, " will not detach or allocate tty"}));
  }
  return ok_status();
}

Result<std::string> sub_cgroup(const Arguments& arguments) {
  const std::vector<std::string> paths = arguments.list("cgroup");
  if (paths.size() > 1) {
    return make_error(Code::kUnsupported,
                      "--cgroup: one sub-cgroup for all controllers is supported, not several");
  }
  if (paths.empty()) return std::string();
  const size_t colon = paths[0].find(':');
  for (std::string_view part :
       split(std::string_view(paths[0]).substr(colon == std::string::npos ? 0 : colon + 1), '/')) {
    if (part == "..") return make_error(Code::kInvalid, concat({"bad sub cgroup path: ", paths[0]}));
  }
  return paths[0];
}

Result<int> run_exec(const Context& context, const Arguments& arguments) {
  container::ExecOptions options;
  options.id = arguments.positional()[0];
  options.detach = arguments.on("detach");
  options.console_socket = arguments.text("console-socket");
  options.pidfd_socket = arguments.text("pidfd-socket");
  options.pid_file = arguments.text("pid-file");
  options.preserve_fds = arguments.count("preserve-fds");
  options.ignore_paused = arguments.on("ignore-paused");
  options.cgroup = TRY(sub_cgroup(arguments));
  Session session = TRY(Session::open(context, Need::kHarden));
  options.process = TRY(asked_process(session.host(), arguments));
  TRY(oci::check_process(options.process));
  TRY(check_console(context.program, options));
  return TRY(container::exec(session.host(), options)).exit_code;
}

}  // namespace

constexpr Command kExec = {
    .name = "exec",
    .summary = "run a further process in a container",
    .usage = "ID COMMAND [ARGUMENT...]  or  --process FILE ID",
    .description =
        "   User, environment, capabilities and limits are the container's own unless a flag says "
        "otherwise,\n"
        "   and are held to the same policy. The exit code is the process's; 255 when it did not start.\n",
    .flags = kFlags,
    .order = Order::kFlagsFirst,
    .min_arguments = 1,
    .max_arguments = kAnyNumber,
    .run = run_exec,
    .failure = "exec failed",
    .failure_code = 255,
};

}  // namespace gabion::cli
