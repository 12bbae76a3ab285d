// Who called: from /proc, a handful of small reads.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <limits>

#include "audit/record.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"

namespace gabion::audit {

namespace {

constexpr size_t kMaxParents = 8;

struct Ancestor {
  std::string name;
  pid_t parent = 0;
};

// /proc/PID/stat: "pid (comm) state ppid ...". The command name may itself hold ") R 1 (", hence
// the last parenthesis; 0 means "no more", also for a process that is gone.
Ancestor read_ancestor(pid_t pid) {
  const Result<std::string> text = read_file(concat({"/proc/", std::to_string(pid), "/stat"}), 4096);
  if (!text.ok()) return {};
  const std::string_view stat = text.value();
  const size_t open = stat.find('(');
  const size_t close = stat.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return {};
  Ancestor ancestor{.name = std::string(stat.substr(open + 1, close - open - 1)), .parent = 0};
  const std::vector<std::string_view> fields = split(trim(stat.substr(close + 1)), ' ');
  if (fields.size() > 1) {
    const auto parent = parse_unsigned(fields[1], static_cast<uint64_t>(std::numeric_limits<pid_t>::max()));
    if (parent) ancestor.parent = static_cast<pid_t>(*parent);
  }
  return ancestor;
}

uint32_t read_login_uid() {
  constexpr uint32_t kUnset = 4294967295U;
  const Result<std::string> text = read_file("/proc/self/loginuid", 64);
  if (!text.ok()) return kUnset;
  return static_cast<uint32_t>(parse_unsigned(trim(text.value()), kUnset).value_or(kUnset));
}

std::string executable_of(pid_t pid) {
  char target[1024];
  const std::string link = concat({"/proc/", std::to_string(pid), "/exe"});
  const ssize_t length = ::readlink(link.c_str(), target, sizeof(target));
  std::string path = length > 0 ? std::string(target, static_cast<size_t>(length)) : std::string();
  if (path != "/") return path;
  // It runs from a mount that is nobody's, as gabion's shim does: what it was executed as.
  const Result<Fd> words = open_path(concat({"/proc/", std::to_string(pid), "/cmdline"}), O_RDONLY);
  const ssize_t size = words.ok() ? ::read(words->get(), target, sizeof(target)) : 0;
  if (size <= 0) return path;
  const std::string_view text(target, static_cast<size_t>(size));
  return std::string(text.substr(0, text.find('\0')));
}

}  // namespace

Actor current_actor(pid_t caller) {
  Actor actor;
  actor.uid = ::getuid();
  actor.login_uid = read_login_uid();
  actor.pid = caller != 0 ? caller : ::getppid();
  if (actor.pid <= 0) return actor;  // the caller is outside our pid namespace
  actor.exe = executable_of(actor.pid);
  pid_t pid = read_ancestor(actor.pid).parent;
  while (pid > 0 && actor.parents.size() < kMaxParents) {
    Ancestor ancestor = read_ancestor(pid);
    if (ancestor.name.empty()) break;
    actor.parents.emplace_back(pid, std::move(ancestor.name));
    pid = ancestor.parent;
  }
  return actor;
}

}  // namespace gabion::audit
