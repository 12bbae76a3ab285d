#include "shim/cli/signals.h"

#include <csignal>
#include <optional>

#include "base/text.h"

namespace gabion::cli {

namespace {

struct Name {
  const char* name;
  int number;
};

constexpr Name kNames[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},       {"QUIT", SIGQUIT},     {"ILL", SIGILL},   {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT}, {"IOT", SIGIOT},       {"BUS", SIGBUS},       {"FPE", SIGFPE},   {"KILL", SIGKILL},
    {"USR1", SIGUSR1}, {"SEGV", SIGSEGV},     {"USR2", SIGUSR2},     {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},
    {"TERM", SIGTERM}, {"STKFLT", SIGSTKFLT}, {"CHLD", SIGCHLD},     {"CLD", SIGCHLD},  {"CONT", SIGCONT},
    {"STOP", SIGSTOP}, {"TSTP", SIGTSTP},     {"TTIN", SIGTTIN},     {"TTOU", SIGTTOU}, {"URG", SIGURG},
    {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},     {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
    {"IO", SIGIO},     {"POLL", SIGPOLL},     {"PWR", SIGPWR},       {"SYS", SIGSYS},
};

// What libc calls SIGRTMIN: the kernel's 32 and 33 belong to its threads (signal(7)).
constexpr int kRealTimeMin = 34;
constexpr int kRealTimeMax = 64;

std::optional<int> real_time(std::string_view name) {
  if (name == "RTMIN") return kRealTimeMin;
  if (name == "RTMAX") return kRealTimeMax;
  if (name.size() < 7) return std::nullopt;
  const std::string_view base = name.substr(0, 6);
  const auto offset = parse_unsigned(name.substr(6), kRealTimeMax - kRealTimeMin);
  if (!offset) return std::nullopt;
  if (base == "RTMIN+") return kRealTimeMin + static_cast<int>(*offset);
  if (base == "RTMAX-") return kRealTimeMax - static_cast<int>(*offset);
  return std::nullopt;
}

}  // namespace

Result<int> parse_signal(std::string_view text) {
  if (const auto number = parse_unsigned(text, kRealTimeMax)) return static_cast<int>(*number);
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  const std::string_view name = std::string_view(upper).substr(upper.starts_with("SIG") ? 3 : 0);
  for (const Name& known : kNames) {
    if (name == known.name) return known.number;
  }
  if (const std::optional<int> number = real_time(name)) return *number;
  return make_error(Code::kInvalid, concat({"unknown signal \"", text, "\""}));
}

}  // namespace gabion::cli
