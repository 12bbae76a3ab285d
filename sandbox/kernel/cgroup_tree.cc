#include "kernel/cgroup_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"

namespace gabion::kernel {
namespace {

// 4 million pids (the kernel's PID_MAX_LIMIT) of seven digits and a newline each.
constexpr size_t kProcsLimit = size_t{32} << 20;

struct Level {
  std::string name;
  std::vector<std::string> pending;  // sub-groups not visited yet
};

Result<std::vector<std::string>> sub_groups(int dir) {
  std::vector<std::string> names;
  // kernfs keeps a directory's link count at two plus its sub-directories: a leaf, which nearly
  // every container's group is, needs no listing of its fifty control files.
  struct stat info {};
  if (::fstat(dir, &info) == 0 && info.st_nlink == 2) return names;
  alignas(dirent64) std::array<char, 8192> buffer{};
  while (true) {
    const long got = ::syscall(SYS_getdents64, dir, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && is_gone(errno)) return names;
    if (got < 0) return sys_error("list cgroup");
    if (got == 0) return names;
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      const std::string_view name(entry->d_name);
      if (entry->d_type == DT_DIR && name != "." && name != "..") names.emplace_back(name);
      at += entry->d_reclen;
    }
  }
}

Result<Fd> open_group(int at, const std::string& name) {
  return open_at(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

// Calls `enter(fd)` for the top and every group below it, parents first, and `leave(parent, name)`
// for every group but the top, children first.
template <typename Enter, typename Leave>
Status walk(Fd here, Enter enter, Leave leave) {
  std::vector<Level> levels;
  TRY(enter(here.get()));
  std::vector<std::string> first = TRY(sub_groups(here.get()));
  levels.push_back({"", std::move(first)});
  while (true) {
    Level& level = levels.back();
    if (level.pending.empty()) {
      if (levels.size() == 1) return ok_status();
      const std::string name = std::move(level.name);
      levels.pop_back();
      here = TRY(open_group(here.get(), ".."));
      TRY(leave(here.get(), name));
      continue;
    }
    std::string name = std::move(level.pending.back());
    level.pending.pop_back();
    Result<Fd> child = open_group(here.get(), name);
    if (!child.ok()) {
      if (is_gone(child.error().sys_errno)) continue;
      return std::move(child).error().wrap("walk cgroup");
    }
    here = std::move(child).value();
    TRY(enter(here.get()));
    std::vector<std::string> pending = TRY(sub_groups(here.get()));
    levels.push_back({std::move(name), std::move(pending)});
  }
}

Status append_processes(int dir, std::vector<pid_t>& pids) {
  const Result<std::string> text = read_file_at(dir, "cgroup.procs", kProcsLimit);
  if (!text.ok()) {
    // EOPNOTSUPP: a threaded group, whose processes the threaded domain above it has listed.
    const int error = text.error().sys_errno;
    if (is_gone(error) || error == EOPNOTSUPP) return ok_status();
    return Error(text.error()).wrap("cgroup.procs");
  }
  for (std::string_view line : split(*text, '\n')) {
    const std::optional<uint64_t> pid = parse_unsigned(line, INT32_MAX);
    if (pid) pids.push_back(static_cast<pid_t>(*pid));
  }
  return ok_status();
}

}  // namespace

Status collect_processes(const std::string& path, std::vector<pid_t>& pids) {
  Result<Fd> top = open_path(path, O_RDONLY | O_DIRECTORY);
  if (!top.ok()) {
    if (is_gone(top.error().sys_errno)) return ok_status();
    return std::move(top).error();
  }
  return walk(
      std::move(top).value(), [&](int dir) { return append_processes(dir, pids); },
      [](int, const std::string&) { return ok_status(); });
}

Status write_in_every_group(const std::string& path, const std::string& file, std::string_view value) {
  Result<Fd> top = open_path(path, O_RDONLY | O_DIRECTORY);
  if (!top.ok()) {
    if (is_gone(top.error().sys_errno)) return ok_status();
    return std::move(top).error();
  }
  return walk(
      std::move(top).value(),
      [&](int dir) -> Status {
        Status written = write_existing_at(dir, file, value);
        if (written.ok() || is_gone(written.error().sys_errno)) return ok_status();
        return std::move(written).error().wrap(path);
      },
      [](int, const std::string&) { return ok_status(); });
}

void tidy_processes(std::vector<pid_t>& pids) {
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  if (!pids.empty() && pids.front() == 0) pids.erase(pids.begin());
}

Result<bool> try_remove_group(const std::string& path) {
  auto remove_error = [&] { return sys_error(concat({"failed to remove cgroup \"", path, "\""})); };
  if (::rmdir(path.c_str()) == 0 || is_gone(errno)) return true;
  if (errno != EBUSY && errno != ENOTEMPTY) return remove_error();
  Result<Fd> top = open_path(path, O_RDONLY | O_DIRECTORY);
  if (!top.ok()) {
    if (is_gone(top.error().sys_errno)) return true;
    return std::move(top).error();
  }
  // A busy group below only makes those above it busy too: the others go in this pass.
  const Status below = walk(
      std::move(top).value(), [](int) { return ok_status(); },
      [&](int parent, const std::string& name) -> Status {
        if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0) return ok_status();
        if (is_gone(errno) || errno == EBUSY || errno == ENOTEMPTY) return ok_status();
        return remove_error();
      });
  if (!below.ok()) return below.error();
  if (::rmdir(path.c_str()) == 0 || is_gone(errno)) return true;
  if (errno == EBUSY || errno == ENOTEMPTY) return false;
  return remove_error();
}

}  // namespace gabion::kernel
