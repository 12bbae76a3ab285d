#include "kernel/user_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"

namespace gabion::kernel {

std::string id_map_text(const std::vector<IdMap>& map) {
  std::string text;
  for (const IdMap& entry : map) {
    text += concat({std::to_string(entry.inside), " ", std::to_string(entry.outside), " ",
                    std::to_string(entry.size), "\n"});
  }
  return text;
}

uint32_t map_to_host(const std::vector<IdMap>& map, uint32_t id) {
  if (map.empty()) return id;
  for (const IdMap& entry : map) {
    if (id >= entry.inside && id - entry.inside < entry.size) return entry.outside + (id - entry.inside);
  }
  return 65534;
}

namespace {

constexpr size_t kStackBytes = 16384;

// The first process of a namespace: it only waits to be killed. It shares this process's memory (copying
// the page tables, and every page written afterwards, costs more than the namespace), so that it must
// write to nothing but its own stack: calls that cannot fail, and so leave errno alone.
int hold_namespace(void* parent) {
  // A killed parent must not leave this process behind: it holds a copy of the container's lock. The
  // death of one that was killed before prctl(2) shows as a changed parent.
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != *static_cast<const pid_t*>(parent)) return 0;
  while (true) (void)::pause();
}

}  // namespace

NamespaceHolder& NamespaceHolder::operator=(NamespaceHolder&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(stack_, other.stack_);
  return *this;
}

NamespaceHolder::~NamespaceHolder() {
  if (pid_ == 0) return;
  end();
  while (::waitpid(pid_, nullptr, __WALL) < 0 && errno == EINTR) {
  }
}

void NamespaceHolder::end() const {
  (void)::kill(pid_, SIGKILL);  // our own unreaped child: the pid cannot be another's
}

Result<NamespaceHolder> NamespaceHolder::start() {
  // The namespace's owner is this process's user, and a task of that user has every capability over it,
  // whatever it lacks itself: it could trace the holder, and so write to the memory that is ours too.
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) return sys_error("prctl(PR_SET_DUMPABLE)");
  NamespaceHolder holder;
  holder.stack_ = std::make_unique<std::byte[]>(kStackBytes);
  std::byte* const bottom = holder.stack_.get();
  const pid_t parent = ::getpid();
  std::memcpy(bottom, &parent, sizeof(parent));  // far below what the process uses
  // No exit signal: the caller's SIGCHLD handling must not see this child.
  const pid_t pid = ::clone(hold_namespace, bottom + kStackBytes, CLONE_NEWUSER | CLONE_VM, bottom);
  if (pid < 0) return sys_error("create a user namespace (clone CLONE_NEWUSER)");
  holder.pid_ = pid;
  return holder;
}

Result<UserNamespace> create_user_namespace(const std::vector<IdMap>& uids, const std::vector<IdMap>& gids) {
  NamespaceHolder holder = TRY(NamespaceHolder::start());
  const std::string proc = concat({"/proc/", std::to_string(holder.pid())});
  const Fd dir = TRY(open_path(proc, O_PATH | O_DIRECTORY));
  TRY_AT(write_existing_at(dir.get(), "gid_map", id_map_text(gids)), "user namespace");
  TRY_AT(write_existing_at(dir.get(), "uid_map", id_map_text(uids)), "user namespace");
  Fd made = TRY(open_at(dir.get(), "ns/user", O_RDONLY));
  holder.end();
  return UserNamespace{std::move(made), std::move(holder)};
}

Status forbid_nested_namespaces(int proc_sys_user) {
  static constexpr const char* kLimits[] = {
      "max_user_namespaces", "max_mnt_namespaces", "max_pid_namespaces",    "max_net_namespaces",
      "max_ipc_namespaces",  "max_uts_namespaces", "max_cgroup_namespaces", "max_time_namespaces",
  };
  for (const char* name : kLimits) {
    TRY_AT(write_existing_at(proc_sys_user, name, "0"), "forbid nested namespaces");
  }
  return ok_status();
}

}  // namespace gabion::kernel
