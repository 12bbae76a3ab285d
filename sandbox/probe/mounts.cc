// What the mount API lets the process do. Each in a child; what succeeds is undone there at once, since a
// child's mounts are the container's.
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "probe/check.h"
#include "probe/child.h"

namespace gabion::probe {
namespace {

constexpr std::string_view kGroup = "mounts";

bool mount_and_unmount(const char* source, const char* type, unsigned long flags) {
  // On the working directory of a process that is about to end: no name is taken by it.
  if (::chdir("/proc/self") != 0 && ::chdir("/") != 0) return false;
  if (::mount(source, ".", type, flags, nullptr) != 0) return false;
  (void)::umount2(".", MNT_DETACH);
  return true;
}

// A remount that leaves out a flag takes it away.
bool remount_as_it_is() {
  constexpr std::pair<unsigned long, unsigned long> kFlags[] = {
      {ST_RDONLY, MS_RDONLY},    {ST_NOSUID, MS_NOSUID},   {ST_NODEV, MS_NODEV},
      {ST_NOEXEC, MS_NOEXEC},    {ST_NOATIME, MS_NOATIME}, {ST_NODIRATIME, MS_NODIRATIME},
      {ST_RELATIME, MS_RELATIME}};
  struct statvfs now {};
  if (::statvfs("/", &now) != 0) return false;
  unsigned long flags = MS_REMOUNT | MS_BIND;
  for (const auto& [shown, wanted] : kFlags) {
    if ((now.f_flag & shown) != 0) flags |= wanted;
  }
  return ::mount(nullptr, "/", nullptr, flags, nullptr) == 0;
}

void add(Checks& checks, std::string_view name, int weight, int error) {
  checks.push_back(tried(kGroup, name, weight, error));
}

}  // namespace

void probe_mounts(Checks& checks) {
  add(checks, "a new tmpfs", 5, try_in_child([] { return mount_and_unmount("tmpfs", "tmpfs", 0); }));
  add(checks, "a new procfs", 4, try_in_child([] { return mount_and_unmount("proc", "proc", 0); }));
  add(checks, "a bind mount", 5, try_in_child([] { return mount_and_unmount("/", nullptr, MS_BIND); }));
  add(checks, "the root remounted", 5, try_in_child(remount_as_it_is));
  add(checks, "a mount made by descriptor (fsopen)", 4,
      try_in_child([] { return ::syscall(SYS_fsopen, "tmpfs", 0) >= 0; }));
  add(checks, "the host name set", 2, try_in_child([] {
        char name[65] = "";
        return ::gethostname(name, sizeof(name)) == 0 && ::sethostname(name, ::strlen(name)) == 0;
      }));
  struct statvfs root {};
  const bool writable = ::statvfs("/", &root) == 0 && (root.f_flag & ST_RDONLY) == 0;
  checks.push_back({kGroup, "the root is not read-only", 2, writable, ""});
}

}  // namespace gabion::probe
