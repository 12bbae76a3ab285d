#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "shim/cli/command.h"
#include "shim/cli/format.h"
#include "shim/cli/process_table.h"

namespace gabion::cli {

namespace {

constexpr Flag kFlags[] = {
    {"format", 'f', FlagKind::kText, "FORMAT", "table (default) or json: an array of process ids"},
};

// ps(1) of the node with the caller's own options. By a fixed path: root's PATH is not to choose
// what runs.
Result<std::string> run_ps(std::span<const std::string> options) {
  const char* program = ::access("/usr/bin/ps", X_OK) == 0 ? "/usr/bin/ps" : "/bin/ps";
  if (::access(program, X_OK) != 0)
    return sys_error("ps options need ps(1) on the node (package procps): /bin/ps");
  std::vector<char*> words = {const_cast<char*>("ps")};
  for (const std::string& option : options) words.push_back(const_cast<char*>(option.c_str()));
  words.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sys_error("pipe");
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return sys_error("fork");
  if (child == 0) {
    if (::dup2(write_end.get(), STDOUT_FILENO) < 0) ::_exit(127);
    ::execv(program, words.data());
    ::_exit(127);
  }
  write_end.reset();
  Result<std::string> output = read_fd(read_end.get(), size_t{16} << 20, "output of ps");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (output.ok() && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
    return make_error(Code::kInvalid, concat({"ps: exit status ", std::to_string(WEXITSTATUS(status))}));
  }
  return output;
}

Result<int> run_command_ps(const Context& context, const Arguments& arguments) {
  const bool as_json = TRY(wants_json(arguments));
  const std::vector<std::string>& words = arguments.positional();
  Session session = TRY(Session::open(context, Need::kState));
  const std::vector<pid_t> pids = TRY(container::processes(session.host(), words[0]));
  std::string text;
  if (as_json) {
    json::Value list = json::Value::array();
    for (pid_t pid : pids) list.push(json::Value::integer(pid));
    text = json::write(list) + "\n";
  } else if (words.size() > 1) {
    const std::string output = TRY(run_ps(std::span(words).subspan(1)));
    text = TRY(filter_ps_output(output, pids));
  } else {
    text = process_table(pids);
  }
  TRY(print(text));
  return 0;
}

}  // namespace

constexpr Command kPs = {
    .name = "ps",
    .summary = "list the processes of a container",
    .usage = "ID [PS-OPTION...]",
    .description =
        "   Process ids are the node's. With options, ps(1) runs with them and its lines are filtered.\n",
    .flags = kFlags,
    .order = Order::kFlagsFirst,
    .min_arguments = 1,
    .max_arguments = kAnyNumber,
    .run = run_command_ps,
};

}  // namespace gabion::cli
