#include "container/violation.h"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "kernel/seccomp_numbers.h"

namespace gabion::container {
namespace {

// Field `index` (from 1) of the line `key` of /proc/PID/status (proc_pid_status(5)); 0 when absent.
uint64_t status_number(std::string_view status, std::string_view key, size_t index) {
  for (const std::string_view line : split(status, '\n')) {
    if (!line.starts_with(key)) continue;
    const std::vector<std::string_view> words = split(line, '\t');
    if (index >= words.size()) return 0;
    return parse_unsigned(trim(words[index]), std::numeric_limits<uint32_t>::max()).value_or(0);
  }
  return 0;
}

std::string link_target(const std::string& link) {
  char target[4096];
  const ssize_t size = ::readlink(link.c_str(), target, sizeof(target));
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : std::string();
}

}  // namespace

bool ViolationBudget::take(uint32_t number, int64_t now_ns) {
  auto [at, added] = entries_.try_emplace(number);
  Entry& entry = at->second;
  if (added) entry.refilled_ns = now_ns;
  const int64_t earned = (now_ns - entry.refilled_ns) / kRefillNs;
  if (earned > 0) {
    entry.left = static_cast<unsigned>(std::min<int64_t>(kBurst, entry.left + earned));
    entry.refilled_ns += earned * kRefillNs;
  }
  if (entry.left == 0) {
    ++entry.untold;
    return false;
  }
  --entry.left;
  return true;
}

uint64_t ViolationBudget::collect(uint32_t number) {
  const auto at = entries_.find(number);
  return at == entries_.end() ? 0 : std::exchange(at->second.untold, 0);
}

std::map<uint32_t, uint64_t> ViolationBudget::collect_all() {
  std::map<uint32_t, uint64_t> untold;
  for (auto& [number, entry] : entries_) {
    if (entry.untold > 0) untold[number] = std::exchange(entry.untold, 0);
  }
  return untold;
}

std::string call_name(uint32_t number) {
  for (const uint16_t row : kernel::seccomp::rows_by_number(kernel::seccomp::Abi::kNative)) {
    const kernel::seccomp::Syscall& call = kernel::seccomp::syscall_at(row);
    if (call.number(kernel::seccomp::Abi::kNative) == number) {
      return std::string(kernel::seccomp::syscall_name(call));
    }
  }
  return concat({"call ", std::to_string(number)});
}

std::optional<audit::Violation> describe(const kernel::seccomp::Notification& call,
                                         const kernel::seccomp::Listener& listener,
                                         const kernel::seccomp::WatchedCall& watched, int error) {
  audit::Violation violation;
  violation.kind = watched.kind;
  violation.number = watched.number;
  violation.syscall = call_name(watched.number);
  violation.arguments = call.args;
  violation.error = error;
  violation.pid = call.pid;
  const std::string proc = concat({"/proc/", std::to_string(call.pid)});
  const Result<std::string> status = read_file(concat({proc, "/status"}), 65536);
  if (status.ok()) {
    violation.pid = static_cast<pid_t>(status_number(*status, "Tgid:", 1));
    violation.uid = static_cast<uint32_t>(status_number(*status, "Uid:", 2));
  }
  violation.exe = link_target(concat({proc, "/exe"}));
  // The caller waits for its answer. If it no longer does, its pid may have been another process's.
  if (!listener.still_valid(call.id)) return std::nullopt;
  return violation;
}

}  // namespace gabion::container
