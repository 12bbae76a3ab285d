#include "kernel/cgroup_oom.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>

#include "base/path.h"
#include "base/text.h"
#include "kernel/cgroup_group.h"

namespace gabion::kernel {
namespace {

Result<uint64_t> oom_kills(const std::string& directory) {
  const std::string events = TRY(GroupDirectory("memory", directory).read("memory.events"));
  return flat_value(events, "oom_kill").value_or(0);
}

}  // namespace

Result<OomNotifier> OomNotifier::open(const CgroupLocation& location) {
  Group group(location);
  OomNotifier notifier;
  GroupDirectory* memory = group.find("memory");
  if (memory != nullptr) {
    notifier.directory_ = memory->path();
    notifier.control_ = TRY(open_path(join_path(memory->path(), "memory.oom_control"), O_RDONLY));
    notifier.events_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!notifier.events_) return sys_error("eventfd");
    const std::string request =
        concat({std::to_string(notifier.events_.get()), " ", std::to_string(notifier.control_.get())});
    TRY(memory->write("cgroup.event_control", request));
    return notifier;
  }
  GroupDirectory* unified = group.unified();
  if (unified == nullptr || !unified->has("memory.events")) {
    return make_error(Code::kUnsupported,
                      "no out-of-memory events: the memory cgroup controller is not available on this host");
  }
  notifier.unified_ = true;
  notifier.directory_ = unified->path();
  notifier.events_ = Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!notifier.events_) return sys_error("inotify_init1");
  // memory.events for the kills; cgroup.events tells of the end of the last process, which the
  // removal of the group does not reliably do.
  for (std::string_view name : {"memory.events", "cgroup.events"}) {
    const std::string file = join_path(unified->path(), name);
    if (::inotify_add_watch(notifier.events_.get(), file.c_str(), IN_MODIFY) < 0) {
      return sys_error(concat({"watch ", file}));
    }
  }
  notifier.seen_ = TRY(oom_kills(notifier.directory_));
  return notifier;
}

Result<OomNotifier::Event> OomNotifier::read_event() {
  // One read takes what an eventfd holds; inotify events are only a reason to look at the counter.
  alignas(inotify_event) std::array<char, sizeof(inotify_event) * 16 + NAME_MAX + 1> buffer{};
  const ssize_t got = ::read(events_.get(), buffer.data(), unified_ ? buffer.size() : sizeof(uint64_t));
  if (got < 0 && errno != EAGAIN && errno != EINTR) return sys_error("read out-of-memory events");
  const bool woken = got > 0;
  // v1 signals every registered eventfd once more when the group is removed.
  if (::access(directory_.c_str(), F_OK) != 0) return Event::kGone;
  if (!unified_) return woken ? Event::kOom : Event::kNone;
  const uint64_t kills = TRY(oom_kills(directory_));
  if (kills > seen_) {
    seen_ = kills;
    return Event::kOom;
  }
  const std::string events = TRY(GroupDirectory("unified", directory_).read("cgroup.events"));
  return flat_value(events, "populated") == 0 ? Event::kGone : Event::kNone;
}

}  // namespace gabion::kernel
