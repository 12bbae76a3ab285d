#include "container/survey_engine.h"

#include <limits.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <optional>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"

namespace gabion::container {
namespace {

constexpr int kMaxShells = 3;

std::string_view base_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// nullopt when the process is gone or its executable may be written by others than root.
std::optional<std::string> trusted_executable(pid_t pid) {
  const std::string link = concat({"/proc/", std::to_string(pid), "/exe"});
  struct stat info {};
  if (::stat(link.c_str(), &info) != 0 || info.st_uid != 0 || (info.st_mode & 022) != 0) return std::nullopt;
  char buffer[PATH_MAX];
  const ssize_t size = ::readlink(link.c_str(), buffer, sizeof(buffer));
  if (size <= 0 || static_cast<size_t>(size) >= sizeof(buffer)) return std::nullopt;
  std::string_view path(buffer, static_cast<size_t>(size));
  // An engine upgraded under its running daemon is the same engine.
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  return std::string(path);
}

// gabion's shim, whose worker this is: it runs from a mount of its own, where its program has no path
// (sealed_copy.h).
bool runs_this_program(pid_t pid) {
  struct stat other {};
  struct stat own {};
  const std::string link = concat({"/proc/", std::to_string(pid), "/exe"});
  return ::stat(link.c_str(), &other) == 0 && ::stat("/proc/self/exe", &own) == 0 &&
         other.st_dev == own.st_dev && other.st_ino == own.st_ino;
}

pid_t parent_of(pid_t pid) {
  const Result<std::string> text = read_file(concat({"/proc/", std::to_string(pid), "/stat"}), 4096);
  if (!text.ok()) return 0;
  const size_t close = text->rfind(") ");
  if (close == std::string::npos) return 0;
  const std::vector<std::string_view> fields = split(std::string_view(*text).substr(close + 2), ' ');
  const std::optional<uint64_t> parent =
      fields.size() > 1 ? parse_unsigned(fields[1], INT32_MAX) : std::nullopt;
  return parent ? static_cast<pid_t>(*parent) : 0;
}

bool is_shell(std::string_view name) {
  return name == "sh" || name == "dash" || name == "bash" || name == "busybox";
}

std::string engine_behind_shim(const std::string& state_root) {
  const std::string root = clean_path(state_root);
  if (root.find("/runtime-runc/") != std::string::npos)
    return "docker";  // <exec-root>/runtime-runc/<namespace>
  // A shim that is the runtime keeps the state by containerd's namespaces.
  if (base_name(root) == "moby") return "docker";
  if (base_name(root) == "k8s.io") return "cri";
  return "containerd";
}

}  // namespace

std::string calling_engine(const std::string& state_root) {
  pid_t pid = ::getppid();
  for (int shells = 0; pid > 0 && shells <= kMaxShells; ++shells) {
    const std::optional<std::string> exe = trusted_executable(pid);
    if (!exe) return "";
    const std::string_view name = base_name(*exe);
    if (*exe == "/" && runs_this_program(pid)) return engine_behind_shim(state_root);
    if (name.starts_with("containerd-shim") || name == "containerd") return engine_behind_shim(state_root);
    if (name == "dockerd") return "docker";
    if (name == "crio") return "cri";
    if (name == "conmon" || name == "podman") return "podman";
    if (!is_shell(name)) return "";
    pid = parent_of(pid);
  }
  return "";
}

}  // namespace gabion::container
