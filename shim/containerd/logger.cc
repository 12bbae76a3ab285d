#include "shim/containerd/logger.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "audit/log.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/path.h"
#include "base/text.h"
#include "container/spawn.h"
#include "kernel/attributes.h"
#include "policy/policy.h"
#include "policy/trusted_file.h"
#include "shim/containerd/pipe.h"

namespace gabion::shim {

namespace {

constexpr std::string_view kScheme = "binary://";
constexpr int kReadyMs = 10'000;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// RFC 3986, and '+' for a blank as in a query.
Result<std::string> unescape(std::string_view text, bool query) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += query && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    const int value = high * 16 + low;
    if (low < 0 || value == 0) return make_error(Code::kInvalid, concat({"stdio: bad escape in ", text}));
    out += static_cast<char>(value);
    i += 2;
  }
  if (out.find('\0') != std::string::npos) return make_error(Code::kInvalid, "stdio: NUL in an address");
  return out;
}

// The program as it was judged: what runs is this descriptor's file.
Result<Fd> open_program(const policy::Policy& policy, const LoggerAddress& logger) {
  const std::string& path = logger.path;
  const auto named = std::find_if(policy.loggers.begin(), policy.loggers.end(),
                                  [&path](const policy::LoggerGrant& one) { return one.file == path; });
  if (named == policy.loggers.end()) {
    return make_error(Code::kRefused,
                      concat({"stdio: ", kScheme, path,
                              " would run a program as root for a container's output; use a fifo "
                              "or file:// address, or name it in \"loggers\" of the node's policy"}));
  }
  const bool allowed = std::equal(
      named->args.begin(), named->args.end(), logger.arguments.begin(), logger.arguments.end(),
      [](const std::string& pattern, const std::string& word) { return glob_match(pattern, word); });
  if (!allowed) {
    return make_error(Code::kRefused,
                      concat({"stdio: ", kScheme, path,
                              ": the policy allows it, but not with these arguments (\"args\" of its "
                              "entry in \"loggers\")"}));
  }
  Fd program = TRY_AT(open_path(path, O_RDONLY), "stdio: logger");
  TRY(policy::check_trusted_file(program.get(), path, "a logger", policy::Parents::kTrusted));
  if (named->sha256.empty()) return program;
  const std::string sha256 = TRY(sha256_fd(program.get(), path));
  if (sha256 == named->sha256) return program;
  return make_error(Code::kRefused, concat({"stdio: ", kScheme, path, ": its SHA-256 is ", sha256,
                                            ", not the one the policy pins"}));
}

[[noreturn]] void run_program(int program, const LoggerAddress& address, const std::vector<char*>& arguments,
                              const std::vector<char*>& environment, std::array<int, 3> given) {
  (void)::setsid();
  // Copies above the places first: one may have the number of another's place.
  for (int& fd : given) fd = ::fcntl(fd, F_DUPFD_CLOEXEC, 6);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; ++fd) (void)::dup2(null, fd);
  const int copy = ::fcntl(program, F_DUPFD_CLOEXEC, 6);
  for (size_t i = 0; i < given.size(); ++i) {
    if (::dup2(given[i], static_cast<int>(i) + 3) < 0) ::_exit(127);
  }
  if (!container::close_all_but(6, {copy}).ok()) ::_exit(127);
  kernel::reset_signals();
  if (::chdir("/") != 0) ::_exit(127);
  (void)::syscall(SYS_execveat, copy, "", arguments.data(), environment.data(), AT_EMPTY_PATH);
  // ENOENT: a script, whose interpreter cannot open a descriptor that is closed on execution. Its path is
  // root's alone.
  if (errno == ENOENT) (void)::execve(address.path.c_str(), arguments.data(), environment.data());
  ::_exit(127);
}

Status await_ready(pid_t pid, int ready, const std::string& path) {
  pollfd poll{.fd = ready, .events = POLLIN, .revents = 0};
  const int said = ::poll(&poll, 1, kReadyMs);
  int status = 0;
  if (said > 0 && ::waitpid(pid, &status, WNOHANG) == 0) return ok_status();
  if (said <= 0) {
    (void)::kill(pid, SIGKILL);  // our own unreaped child
    (void)::waitpid(pid, nullptr, 0);
    return make_error(Code::kSystem, concat({"stdio: logger ", path,
                                             " is not ready after ten seconds (it closes descriptor "
                                             "5 to say so)"}));
  }
  return make_error(Code::kSystem, concat({"stdio: logger ", path, " ended at once"}));
}

Result<pid_t> attach_logger(const container::Host& host, const std::string& address, const std::string& id) {
  const LoggerAddress logger = TRY(parse_logger(address));
  const Fd program = TRY(open_program(*host.policy, logger));
  audit::Record record;
  record.event = "logger.start";
  record.outcome = "allow";
  record.container = id;
  record.policy = host.policy->name;
  record.policy_sha256 = host.policy->sha256;
  record.argv = {logger.path};
  record.argv.insert(record.argv.end(), logger.arguments.begin(), logger.arguments.end());
  TRY_AT(host.audit->append(record), "logger.start is not done, because it cannot be audited");

  Pipe output = TRY(make_pipe("logger"));
  Pipe errors = TRY(make_pipe("logger"));
  Pipe ready = TRY(make_pipe("logger"));
  std::vector<std::string> words{logger.path};
  words.insert(words.end(), logger.arguments.begin(), logger.arguments.end());
  std::vector<std::string> variables{
      concat({"CONTAINER_ID=", id}),
      concat({"CONTAINER_NAMESPACE=", host.root.substr(host.root.rfind('/') + 1)})};
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::vector<char*> environment;
  environment.reserve(variables.size() + 1);
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);

  const pid_t pid = ::fork();
  if (pid < 0) return sys_error("logger: fork");
  if (pid == 0) {
    run_program(program.get(), logger, arguments, environment,
                {output.reading.get(), errors.reading.get(), ready.writing.get()});
  }
  ready.writing.reset();
  output.reading.reset();
  errors.reading.reset();
  TRY(await_ready(pid, ready.reading.get(), logger.path));
  if (::dup2(output.writing.get(), STDOUT_FILENO) < 0 || ::dup2(errors.writing.get(), STDERR_FILENO) < 0) {
    return sys_error("logger: dup2");
  }
  return pid;
}

}  // namespace

Result<LoggerAddress> parse_logger(std::string_view address) {
  if (!address.starts_with(kScheme))
    return make_error(Code::kInvalid, concat({"stdio: no logger: ", address}));
  address.remove_prefix(kScheme.size());
  const size_t mark = address.find('?');
  LoggerAddress logger;
  logger.path = TRY(unescape(address.substr(0, mark), false));
  if (logger.path.empty() || logger.path[0] != '/' || clean_path(logger.path) != logger.path) {
    return make_error(Code::kInvalid, concat({"stdio: ", kScheme, address, " is not an absolute path"}));
  }
  if (mark == std::string_view::npos) return logger;
  for (const std::string_view pair : split(address.substr(mark + 1), '&')) {
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    logger.arguments.push_back(TRY(unescape(pair.substr(0, equals), true)));
    if (equals == std::string_view::npos) continue;
    logger.arguments.push_back(TRY(unescape(pair.substr(equals + 1), true)));
  }
  return logger;
}

Result<std::string> with_logger(const container::Host& host, const std::string& address,
                                const std::string& id,
                                const std::function<Result<std::string>()>& make_process) {
  if (address.empty()) return make_process();
  const pid_t pid = TRY(attach_logger(host, address, id));
  Result<std::string> made = make_process();
  if (!made.ok()) (void)::kill(pid, SIGKILL);  // our own unreaped child
  return made;
}

}  // namespace gabion::shim
