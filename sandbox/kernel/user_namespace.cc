#include "kernel/user_namespace.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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

// Kills and reaps the namespace's first process however the parent leaves.
class Holder {
 public:
  explicit Holder(pid_t pid) : pid_(pid) {}
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() {
    (void)::kill(pid_, SIGKILL);  // our own unreaped child: the pid cannot be another's
    while (::waitpid(pid_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  }

 private:
  pid_t pid_;
};

}  // namespace

Result<Fd> create_user_namespace(const std::vector<IdMap>& uids, const std::vector<IdMap>& gids) {
  const pid_t parent = ::getpid();
  clone_args args{};
  args.flags = CLONE_NEWUSER;
  // No exit signal: the caller's SIGCHLD handling must not see this child.
  const long pid = ::syscall(SYS_clone3, &args, sizeof(args));
  if (pid < 0) return sys_error("create a user namespace (clone3 CLONE_NEWUSER)");
  if (pid == 0) {
    // A killed parent must not leave this process behind: it holds a copy of the container's lock. The
    // death of one that was killed before prctl(2) shows as a changed parent.
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);
    while (true) (void)::pause();
  }
  const Holder holder(static_cast<pid_t>(pid));
  const std::string proc = concat({"/proc/", std::to_string(pid)});
  const Fd dir = TRY(open_path(proc, O_PATH | O_DIRECTORY));
  TRY_AT(write_existing_at(dir.get(), "gid_map", id_map_text(gids)), "user namespace");
  TRY_AT(write_existing_at(dir.get(), "uid_map", id_map_text(uids)), "user namespace");
  return open_at(dir.get(), "ns/user", O_RDONLY);
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
