#include "container/violation.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "kernel/seccomp_numbers.h"

namespace gabion::container {
namespace {

// Field `index` (from 1) of the line `key` of /proc/PID/status (proc_pid_status(5)).
std::optional<uint32_t> status_number(std::string_view status, std::string_view key, size_t index) {
  for (const std::string_view line : split(status, '\n')) {
    if (!line.starts_with(key)) continue;
    const std::vector<std::string_view> words = split(line, '\t');
    if (index >= words.size()) return std::nullopt;
    const auto number = parse_unsigned(trim(words[index]), std::numeric_limits<uint32_t>::max());
    return number ? std::optional(static_cast<uint32_t>(*number)) : std::nullopt;
  }
  return std::nullopt;
}

// The file's whole length is the process's choice, who may have 65,536 groups; who it is stands before them.
std::string beginning_of(const std::string& path) {
  const Result<Fd> file = open_path(path, O_RDONLY);
  char text[4096];
  const ssize_t size = file.ok() ? ::read(file->get(), text, sizeof(text)) : 0;
  return size > 0 ? std::string(text, static_cast<size_t>(size)) : std::string();
}

std::string link_target(const std::string& link) {
  char target[4096];
  const ssize_t size = ::readlink(link.c_str(), target, sizeof(target));
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : std::string();
}

}  // namespace

void ViolationBudget::Bucket::refill(int64_t now_ns) {
  const int64_t earned = (now_ns - refilled_ns) / kRefillNs;
  if (earned <= 0) return;
  left = static_cast<unsigned>(std::min<int64_t>(size, left + earned));
  refilled_ns += earned * kRefillNs;
}

bool ViolationBudget::take(uint32_t number, int64_t now_ns) {
  if (entries_.empty()) all_ = {kContainerBurst, kContainerBurst, now_ns};
  const auto [at, first] = entries_.try_emplace(number, Entry{{kBurst, kBurst, now_ns}, 0});
  Entry& entry = at->second;
  entry.own.refill(now_ns);
  all_.refill(now_ns);
  if (!first && (entry.own.left == 0 || all_.left == 0)) {
    ++entry.untold;
    return false;
  }
  --entry.own.left;
  if (all_.left > 0) --all_.left;
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

audit::Violation describe(const kernel::seccomp::Notification& call,
                          const kernel::seccomp::Listener& listener,
                          const kernel::seccomp::WatchedCall& watched, int error) {
  audit::Violation violation;
  violation.kind = watched.kind;
  violation.number = watched.number;
  violation.syscall = call_name(watched.number);
  violation.arguments = call.args;
  violation.error = error;
  const std::string proc = concat({"/proc/", std::to_string(call.pid)});
  const std::string status = beginning_of(concat({proc, "/status"}));
  std::string exe = link_target(concat({proc, "/exe"}));
  // The caller waits for its answer. If it no longer does, its pid may have been another process's.
  if (!listener.still_valid(call.id)) return violation;
  if (const auto pid = status_number(status, "Tgid:", 1)) violation.pid = static_cast<pid_t>(*pid);
  violation.uid = status_number(status, "Uid:", 2);
  violation.exe = std::move(exe);
  return violation;
}

}  // namespace gabion::container
