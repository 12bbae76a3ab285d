// What ends by itself, and what containerd is told of it.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "base/text.h"
#include "kernel/cgroup_oom.h"
#include "shim/containerd/service.h"
#include "shim/containerd/service_work.h"

namespace gabion::shim {

namespace {

// Ends of processes nobody has claimed yet: of workers' helpers as well, which nobody ever will.
constexpr size_t kMaxEarly = 256;

Exit exit_of(int wait_status) {
  const int code = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
  return {.status = static_cast<uint32_t>(code), .at = now()};
}

// The one of this number that has not been waited for.
Process* find_living(Container& owner, pid_t pid) {
  if (owner.first.pid == pid && !owner.first.exit) return &owner.first;
  for (const auto& [exec_id, process] : owner.execs) {
    if (process->pid == pid && !process->exit) return process.get();
  }
  return nullptr;
}

}  // namespace

void Service::ended(pid_t pid, int wait_status) {
  if (copiers_.erase(pid) != 0 || workers_.ended(pid)) return;
  for (const auto& [id, owner] : containers_) {
    Process* process = find_living(*owner, pid);
    if (process == nullptr) continue;
    process->exit = exit_of(wait_status);
    return settle(*owner, *process);
  }
  // A worker that is still to report it may have made it. Nobody else's is remembered: its number will be
  // another process's.
  if (!workers_.busy()) return early_.clear();
  if (early_.size() >= kMaxEarly) early_.erase(early_.begin());
  early_.insert_or_assign(pid, exit_of(wait_status));
}

void Service::adopt(Process& process, pid_t pid) {
  process.pid = pid;
  const auto early = early_.find(pid);
  if (early == early_.end()) return;
  process.exit = early->second;
  early_.erase(early);
}

// Tells the end of a process that has begun and ended, once. The container's first comes last: in a pid
// namespace of its own the kernel sees to that, in another one the others are ended here.
void Service::settle(Container& owner, Process& process) {
  const bool begun = process.phase == Phase::kRunning || process.phase == Phase::kCreated;
  if (!process.exit || !begun) return;
  if (&process == &owner.first) {
    const bool living = owner.has_living_exec();
    // Also where no exec lives: what the first has left in the background has its streams, and whoever reads
    // those waits for it.
    if (!owner.own_pid_namespace && (living || !owner.others_killed)) end_others(owner);
    if (living) return;  // their ends lead here again
  }
  tell_exit(owner, process);
  if (&process != &owner.first) settle(owner, owner.first);
}

void Service::end_others(Container& owner) {
  owner.others_killed = true;
  auto change = [id = owner.id](const container::Host& host) {
    // Of a container whose first process has ended it means what is left in the cgroup, if anything is.
    return container::kill(host, id, SIGKILL, false);
  };
  do_own(owner, answered_empty(change), [](const Result<std::string>&) {});
}

void Service::tell_exit(Container& owner, Process& process) {
  const bool first = &process == &owner.first;
  read_memory_event(owner.id);  // the reason of an end is told before it
  process.phase = Phase::kStopped;
  if (first && owner.violations != nullptr) owner.violations->tell_summary();
  if (process.stdio) process.stdio->process_ended();
  note(owner, first ? "container.exit" : "exec.exit",
       concat({"pid ", std::to_string(process.pid), ", status ", std::to_string(process.exit->status)}),
       first ? std::move(owner.mounts) : Fd());
  events_.publish(proto::TaskExit{.container_id = owner.id,
                                  .id = process.exec_id.empty() ? owner.id : process.exec_id,
                                  .pid = static_cast<uint32_t>(process.pid),
                                  .exit_status = process.exit->status,
                                  .exited_at = process.exit->at});
  answer_waiting(process, *process.exit);
}

void Service::watch_memory(Container& owner, const std::vector<proto::MapEntry>& cgroup) {
  kernel::CgroupLocation location;
  for (const auto& [controllers, directory] : cgroup)
    location.directories.emplace_back(controllers, directory);
  Result<kernel::OomNotifier> notifier = kernel::OomNotifier::open(location);
  if (!notifier.ok()) return;  // no memory controller
  owner.oom = std::move(notifier).value();
  const Status watched =
      loop_.watch(owner.oom->fd(), EPOLLIN, [this, id = owner.id](uint32_t) { read_memory_event(id); });
  if (!watched.ok()) owner.oom.reset();
}

void Service::read_memory_event(const std::string& id) {
  const Result<Container*> found = container(id);
  if (!found.ok() || !(*found)->oom) return;
  Container& owner = **found;
  const Result<kernel::OomNotifier::Event> event = owner.oom->read_event();
  if (event.ok() && *event == kernel::OomNotifier::Event::kOom) {
    tell_oom(owner);
  } else if (!event.ok() || *event == kernel::OomNotifier::Event::kGone) {
    loop_.forget(owner.oom->fd());
    owner.oom.reset();
  }
}

}  // namespace gabion::shim
