// Whether code that came in later can be run: files that are both written and executed, memory that is.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <set>
#include <vector>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "kernel/mountinfo.h"
#include "probe/check.h"
#include "probe/child.h"

namespace gabion::probe {
namespace {

constexpr std::string_view kGroup = "execution";

// Where files may be made: every mount, and the usual places.
std::set<std::string> places() {
  std::set<std::string> found = {"/", "/tmp", "/var/tmp", "/dev/shm", "/run", "/root", "/home", "."};
  const Result<std::string> mounts = kernel::read_mountinfo();
  if (!mounts.ok()) return found;
  for (const std::string_view line : split(*mounts, '\n')) {
    const auto mount = kernel::parse_mount_line(line);
    if (mount && !mount->point.starts_with("/proc/") && !mount->point.starts_with("/sys/"))
      found.insert(kernel::unescape_mount_field(mount->point));
  }
  return found;
}

// A file made there can be mapped for execution: what execve(2) asks of the mount too (path_noexec()).
bool can_run_what_it_writes(const std::string& directory) {
  const int file = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0700);
  Fd made(file);
  std::string name;
  if (!made.valid()) {
    name = concat({directory, "/.gabion-probe-", std::to_string(::getpid())});
    made = Fd(::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700));
  }
  if (!made.valid()) return false;
  void* const code = ::ftruncate(made.get(), 4096) == 0
                         ? ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, made.get(), 0)
                         : MAP_FAILED;
  if (!name.empty()) (void)::unlink(name.c_str());
  if (code == MAP_FAILED) return false;
  (void)::munmap(code, 4096);
  return true;
}

// This very program, copied to memory and executed.
bool execute_from_memory() {
  const Fd memory(::memfd_create("probe", MFD_CLOEXEC));
  const Fd program(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (!memory.valid() || !program.valid()) return false;
  char buffer[65536];
  ssize_t size = 0;
  while ((size = ::read(program.get(), buffer, sizeof(buffer))) > 0) {
    if (::write(memory.get(), buffer, static_cast<size_t>(size)) != size) return false;
  }
  (void)::dup2(::open("/dev/null", O_WRONLY), STDOUT_FILENO);  // NOLINT: the child ends next
  char name[] = "probe";
  char flag[] = "--help";
  char* const arguments[] = {name, flag, nullptr};
  char* const environment[] = {nullptr};
  (void)::syscall(SYS_execveat, memory.get(), "", arguments, environment, AT_EMPTY_PATH);
  return false;
}

bool write_then_execute() {
  void* const page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page != MAP_FAILED && ::mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
}

}  // namespace

void probe_execution(Checks& checks) {
  std::string open;
  for (const std::string& place : places()) {
    add_if_open(open, place, try_in_child([&] { return can_run_what_it_writes(place); }));
  }
  checks.push_back({kGroup, "files written and then executed", 5, !open.empty(), open});
  checks.push_back(
      tried(kGroup, "programs executed from memory (memfd)", 3, try_in_child(execute_from_memory)));
  // Weight 0: every just-in-time compiler does it. A policy may forbid it (memory-deny-write-execute).
  checks.push_back(tried(kGroup, "memory written and then executed", 0, try_in_child(write_then_execute)));
}

}  // namespace gabion::probe
