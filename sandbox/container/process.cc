#include "container/process.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

namespace gabion::container {
namespace {

Error gone(pid_t pid) {
  return make_error(Code::kNotFound, concat({"no such process: ", std::to_string(pid)}));
}

}  // namespace

Result<uint64_t> process_start_time(pid_t pid) {
  Result<std::string> text = read_file(concat({"/proc/", std::to_string(pid), "/stat"}), 4096);
  // ESRCH: the process went away between open(2) and read(2).
  if (!text.ok() && text.error().code == Code::kNotFound) return gone(pid);
  if (!text.ok()) return std::move(text).error();
  // Field 2, the name, is the process's own choice and may hold blanks and parentheses: what is
  // sure starts after the last ')'.
  const size_t close = text->rfind(") ");
  if (close == std::string::npos) return make_error(Code::kInternal, "/proc/PID/stat has no name");
  const std::vector<std::string_view> fields = split(std::string_view(*text).substr(close + 2), ' ');
  constexpr size_t kState = 0;  // field 3 of proc(5)
  constexpr size_t kThreads = 17;
  constexpr size_t kStartTime = 19;
  if (fields.size() <= kStartTime) return make_error(Code::kInternal, "/proc/PID/stat is too short");
  // A zombie with threads left is a leader that ended before them: the process still runs.
  const bool ended = fields[kState] == "Z" && fields[kThreads] == "1";
  if (ended || fields[kState] == "X" || fields[kState] == "x") return gone(pid);
  const std::optional<uint64_t> ticks = parse_unsigned(fields[kStartTime], UINT64_MAX);
  if (!ticks) return make_error(Code::kInternal, "/proc/PID/stat: bad start time");
  return *ticks;
}

Result<Process> Process::open(pid_t pid, uint64_t start_time) {
  if (pid <= 0) return gone(pid);
  // pidfd first: if the start time still is the expected one afterwards, the descriptor cannot
  // belong to a later process of the same number.
  Process process;
  process.pid_ = pid;
  process.pidfd_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process.pidfd_.valid()) {
    if (errno == ESRCH) return gone(pid);
    return sys_error(concat({"pidfd_open ", std::to_string(pid)}));
  }
  const uint64_t started = TRY(process_start_time(pid));
  if (start_time != 0 && started != start_time) return gone(pid);
  return process;
}

Status Process::signal(int number) const {
  if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) == 0) return ok_status();
  // Go's text, which containerd matches to answer "not found".
  if (errno == ESRCH) return make_error(Code::kNotFound, "os: process already finished");
  return sys_error(concat({"signal ", std::to_string(number), " to process ", std::to_string(pid_)}));
}

Result<bool> Process::wait_exit(int timeout_ms) const {
  const int64_t deadline = monotonic_ms() + timeout_ms;
  pollfd item{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  while (true) {
    const int64_t left = timeout_ms < 0 ? -1 : deadline - monotonic_ms();
    if (timeout_ms > 0 && left <= 0) return false;
    const int ready = ::poll(&item, 1, timeout_ms == 0 ? 0 : static_cast<int>(left));
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) return sys_error("poll a process");
  }
}

}  // namespace gabion::container
