// Which namespaces are the host's, and whether new ones can be made.
#include <sched.h>
#include <unistd.h>

#include "base/text.h"
#include "probe/check.h"
#include "probe/child.h"
#include "probe/host.h"

namespace gabion::probe {
namespace {

struct Type {
  const char* name;  // in /proc/self/ns
  std::string_view is_hosts;
  std::string_view is_new;
  unsigned long first;  // the host's number, fixed by the kernel (include/linux/proc_ns.h, nsfs.h)
  int flag;
  int weight_shared;
  int weight_new;
};

constexpr Type kTypes[] = {
    {"user", "the host's user namespace", "a new user namespace", 0xEFFFFFFD, CLONE_NEWUSER, 6, 6},
    {"mnt", "the host's mount namespace", "a new mount namespace", 0xEFFFFFF8, CLONE_NEWNS, 6, 3},
    {"pid", "the host's pid namespace", "a new pid namespace", 0xEFFFFFFC, CLONE_NEWPID, 4, 2},
    {"net", "the host's network namespace", "a new network namespace", 0xEFFFFFF9, CLONE_NEWNET, 4, 3},
    {"ipc", "the host's ipc namespace", "a new ipc namespace", 0xEFFFFFFF, CLONE_NEWIPC, 3, 2},
    {"uts", "the host's uts namespace", "a new uts namespace", 0xEFFFFFFE, CLONE_NEWUTS, 2, 1},
    {"cgroup", "the host's cgroup namespace", "a new cgroup namespace", 0xEFFFFFFB, CLONE_NEWCGROUP, 2, 1},
};

}  // namespace

void probe_namespaces(Checks& checks) {
  constexpr std::string_view kGroup = "namespaces";
  for (const Type& type : kTypes) {
    const unsigned long number = namespace_number(type.name);
    checks.push_back({kGroup, type.is_hosts, type.weight_shared, number == type.first,
                      number == 0 ? "cannot be read" : std::to_string(number)});
  }
  for (const Type& type : kTypes) {
    const int error = try_in_child([&] { return ::unshare(type.flag) == 0; });
    checks.push_back(tried(kGroup, type.is_new, type.weight_new, error));
  }
}

}  // namespace gabion::probe
