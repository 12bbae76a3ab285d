#include "container/become.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "container/confine.h"
#include "container/watcher.h"
#include "kernel/socket.h"

namespace gabion::container {

namespace {

// An engine is protected from the OOM killer and may run before others; its containers must not be and do
// so at the expense of the node's services, only because nobody said so.
Status shed_priority(const ProcessPlan& process, int proc) {
  if (!process.oom_score_adj) {
    const std::string inherited = TRY_AT(read_file_at(proc, "self/oom_score_adj", 64), "process.oomScoreAdj");
    if (inherited.starts_with('-')) {
      TRY_AT(write_existing_at(proc, "self/oom_score_adj", "0"), "process.oomScoreAdj");
    }
  }
  if (!process.scheduling.policy.empty()) return ok_status();
  const int policy = ::sched_getscheduler(0);
  if (policy != SCHED_OTHER && policy != SCHED_BATCH && policy != SCHED_IDLE) {
    const sched_param ordinary{};
    if (::sched_setscheduler(0, SCHED_OTHER, &ordinary) != 0) return sys_error("process.scheduler");
  }
  errno = 0;
  if (::getpriority(PRIO_PROCESS, 0) < 0 && errno == 0 && ::setpriority(PRIO_PROCESS, 0, 0) != 0) {
    return sys_error("process.scheduler: nice");
  }
  return ok_status();
}

}  // namespace

Status set_privileged_attributes(const ProcessPlan& process, int proc) {
  if (process.shed_priority) TRY(shed_priority(process, proc));
  if (process.oom_score_adj) {
    TRY_AT(write_existing_at(proc, "self/oom_score_adj", std::to_string(*process.oom_score_adj)),
           "process.oomScoreAdj");
  }
  TRY_AT(kernel::set_scheduling(process.scheduling), "process.scheduler");
  if (!process.io_class.empty()) {
    TRY_AT(kernel::set_io_priority(process.io_class, process.io_priority), "process.ioPriority");
  }
  if (process.memory_policy) {
    TRY_AT(kernel::set_memory_policy(*process.memory_policy), "linux.memoryPolicy");
  }
  if (!process.final_affinity.empty()) {
    TRY_AT(kernel::set_cpu_affinity(process.final_affinity), "process.execCPUAffinity");
  }
  if (!process.personality.empty()) TRY_AT(kernel::set_personality(process.personality), "linux.personality");
  TRY_AT(kernel::set_limits(process.limits), "process.rlimits");
  if (!process.apparmor_profile.empty() && process.apparmor_profile != "unconfined") {
    TRY_AT(write_existing_at(proc, "self/attr/apparmor/exec", concat({"exec ", process.apparmor_profile})),
           "process.apparmorProfile");
  }
  if (!process.selinux_label.empty()) {
    TRY_AT(write_existing_at(proc, "self/attr/exec", process.selinux_label), "process.selinuxLabel");
  }
  return ok_status();
}

Status give_stdio(const ProcessPlan& process, const NamespacePlan& namespaces) {
  if (!process.own_stdio) return ok_status();
  const uid_t uid = kernel::map_to_host(namespaces.uids, process.uid);
  const gid_t gid = kernel::map_to_host(namespaces.gids, process.gid);
  for (int fd = 0; fd < 3; ++fd) {
    struct stat info {};
    struct statfs place {};
    // A closed descriptor stays closed. Only pipes without a name: a file, terminal or named FIFO of the
    // host keeps its owner.
    if (::fstat(fd, &info) != 0 || !S_ISFIFO(info.st_mode)) continue;
    if (::fstatfs(fd, &place) != 0 || place.f_type != PIPEFS_MAGIC) continue;
    if (::fchown(fd, uid, gid) != 0) return sys_error("give standard streams to the container's user");
  }
  return ok_status();
}

Status take_identity(const ProcessPlan& process, const NamespacePlan& namespaces, int proc) {
  // Opened before the rights to reach it are gone; used after, when the user namespace whose limits it
  // shows is the container's.
  Fd proc_sys_user;
  if (namespaces.forbid_nested) {
    proc_sys_user = TRY_AT(open_at(proc, "sys/user", O_PATH | O_DIRECTORY), "forbid nested namespaces");
  }
  if (namespaces.user.valid() && namespaces.owner == NamespacePlan::Owner::kHost) {
    // Last of the namespaces: those entered before stay owned by the host, so that no capability the
    // container has counts for them.
    if (::setns(namespaces.user.get(), CLONE_NEWUSER) != 0) return sys_error("enter the user namespace");
  }
  if (namespaces.user.valid() && namespaces.forbid_nested) {
    TRY(kernel::forbid_nested_namespaces(proc_sys_user.get()));
  }
  if (process.new_keyring) TRY(kernel::join_new_session_keyring(process.keyring_name));

  TRY(kernel::limit_bounding_set(process.capabilities.bounding));
  // Capabilities survive the change of user only so long as to be cut to the process's own sets.
  if (::prctl(PR_SET_KEEPCAPS, 1) != 0) return sys_error("keep capabilities across setuid");
  if (::setgroups(process.groups.size(), process.groups.data()) != 0) {
    return sys_error("process.user.additionalGids: setgroups");
  }
  if (::setresgid(process.gid, process.gid, process.gid) != 0) {
    return sys_error(concat({"process.user.gid: setgid ", std::to_string(process.gid)}));
  }
  if (::setresuid(process.uid, process.uid, process.uid) != 0) {
    return sys_error(concat({"process.user.uid: setuid ", std::to_string(process.uid)}));
  }
  // Never the caller's: a daemon's 0 would make every file of the container world-writable. 022 is runc's.
  (void)::umask(process.umask.value_or(022));
  if (::prctl(PR_SET_KEEPCAPS, 0) != 0) return sys_error("drop KEEPCAPS");
  // The process now has the container's ids while it is still the runtime's program: a process of the
  // container must not trace it or open its files (CVE-2016-9962). The change of user has seen to that
  // unless fs.suid_dumpable is 1.
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) return sys_error("make the process non-dumpable");
  return ok_status();
}

Status enter_working_directory(const ProcessPlan& process) {
  if (::chdir(process.cwd.c_str()) != 0)
    return sys_error(concat({"chdir to cwd (\"", process.cwd, "\") set in config.json failed"}));
  // A cwd such as /proc/self/fd/7 can lead outside the root; the kernel then gives a path that is not
  // rooted (getcwd(2): "(unreachable)").
  char buffer[4096];
  const long size = ::syscall(SYS_getcwd, buffer, sizeof(buffer));
  if (size <= 0) return sys_error("getcwd");
  if (buffer[0] != '/') {
    return make_error(Code::kRefused,
                      concat({"process.cwd ", process.cwd, " leads out of the container's root filesystem"}));
  }
  return ok_status();
}

namespace {

// The home directory of `uid` in /etc/passwd; "" when there is none. The file is the image's: it may be
// anything, so only a regular file is read, and only the part a real one would have.
std::string home_of(uid_t uid) {
  constexpr size_t kPasswdLimit = size_t{1} << 20;
  const Result<Fd> file = open_path("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat info {};
  if (!file.ok() || ::fstat(file->get(), &info) != 0 || !S_ISREG(info.st_mode)) return "";
  const Result<std::string> text = read_fd(file->get(), kPasswdLimit, "/etc/passwd");
  if (!text.ok()) return "";
  for (std::string_view line : split(*text, '\n')) {
    const std::vector<std::string_view> fields = split(line, ':');
    if (fields.size() < 6) continue;
    const auto number = parse_unsigned(fields[2], UINT32_MAX);
    if (number && *number == uid) return std::string(fields[5]);
  }
  return "";
}

}  // namespace

void set_home(ProcessPlan& process) {
  for (const std::string& variable : process.env) {
    if (variable.starts_with("HOME=")) return;
  }
  const std::string home = home_of(process.uid);
  process.env.push_back(concat({"HOME=", home.empty() ? "/" : home}));
}

Result<std::string> find_executable(const ProcessPlan& process) {
  const std::string& name = process.args.front();
  auto check = [](const std::string& path) -> int {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return errno;
    if (S_ISDIR(info.st_mode)) return EISDIR;
    return ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0 ? 0 : EACCES;
  };
  auto fail = [&](int error_number, std::string_view what) -> Error {
    if (error_number == EISDIR) error_number = EACCES;
    return sys_error(concat({"exec: \"", name, "\"", what}), error_number);
  };
  if (name.find('/') != std::string::npos) {
    const int answer = check(name);
    if (answer == 0) return name;
    return fail(answer, answer == EACCES || answer == EISDIR ? std::string() : concat({": stat ", name}));
  }
  std::string_view path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& variable : process.env) {
    if (variable.starts_with("PATH=")) path = std::string_view(variable).substr(5);
  }
  int answer = ENOENT;
  for (std::string_view directory : split(path, ':')) {
    const std::string candidate = join_path(directory.empty() ? "." : directory, name);
    const int one = check(candidate);
    if (one == 0) return candidate;
    if (one == EACCES) answer = EACCES;
  }
  if (answer == EACCES) return fail(EACCES, "");
  return make_error(Code::kNotFound, concat({"exec: \"", name, "\": executable file not found in $PATH"}));
}

namespace {

Status load_filters(const ProcessPlan& process) {
  for (const ProcessPlan::Filter& filter : process.filters) {
    constexpr uint32_t kNewListener = 1U << 3;  // SECCOMP_FILTER_FLAG_NEW_LISTENER
    const bool listened_to = filter.listener != ProcessPlan::Filter::Listener::kNone;
    const uint32_t flags = filter.flags | (listened_to ? kNewListener : 0);
    const Fd listener(TRY_AT(kernel::seccomp::load(filter.program, flags), "seccomp"));
    if (filter.listener == ProcessPlan::Filter::Listener::kMonitor) {
      TRY(hand_over(process.monitor.get(), listener.get()));
    } else if (listened_to) {
      TRY_AT(kernel::send_descriptor(process.listener.get(), listener.get(), process.listener_state),
             filter.listener == ProcessPlan::Filter::Listener::kRecorder ? "recording"
                                                                         : "linux.seccomp.listenerPath");
    }
  }
  return ok_status();
}

Status seal(const ProcessPlan& process) {
  // Without no_new_privs seccomp(2) and Landlock ask for CAP_SYS_ADMIN, which the next step takes away.
  // The change of user has cleared it from the effective set; KEEPCAPS kept it permitted.
  if (!process.no_new_privileges) {
    if (!process.filters.empty() || !process.landlock.empty()) TRY(kernel::raise_all_permitted());
    TRY(confine(process));
    TRY(load_filters(process));
  }
  TRY(kernel::set_capabilities(process.capabilities));
  if (process.no_new_privileges) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return sys_error("no_new_privs");
    TRY(confine(process));
    TRY(load_filters(process));
  }
  return ok_status();
}

}  // namespace

Error execute(const ProcessPlan& process, const std::string& path) {
  const std::vector<char*> args = c_strings(process.args);
  const std::vector<char*> env = c_strings(process.env);
  kernel::reset_signals();
  Status sealed = seal(process);
  if (!sealed.ok()) return std::move(sealed).error();
  (void)::execve(path.c_str(), args.data(), env.data());
  return sys_error(concat({"exec ", path}));
}

}  // namespace gabion::container
