// Secrets of the host that can be read, knobs that can be turned, devices, and descriptors that came along.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <span>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "probe/check.h"
#include "probe/child.h"

namespace gabion::probe {
namespace {

struct File {
  const char* path;
  int weight;
};

// What they give away: addresses of the kernel's code and data, its configuration and types (to aim an
// exploit), keys, the machine, other processes.
constexpr File kSecrets[] = {
    {"/proc/kcore", 8},
    {"/proc/kallsyms", 2},
    {"/proc/kmsg", 3},
    {"/proc/config.gz", 1},
    {"/proc/slabinfo", 2},
    {"/proc/vmallocinfo", 2},
    {"/proc/kpagecount", 2},
    {"/proc/kpageflags", 2},
    {"/proc/timer_list", 2},
    {"/proc/sched_debug", 2},
    {"/proc/keys", 2},
    {"/proc/key-users", 1},
    {"/proc/modules", 1},
    {"/proc/latency_stats", 1},
    {"/proc/acpi", 1},
    {"/proc/scsi", 1},
    {"/sys/firmware", 2},
    {"/sys/kernel/btf", 2},
    {"/sys/kernel/debug", 4},
    {"/sys/kernel/tracing", 4},
    {"/sys/kernel/slab", 1},
    {"/sys/kernel/security", 1},
    {"/sys/kernel/vmcoreinfo", 2},
    {"/sys/fs/bpf", 2},
    {"/sys/fs/pstore", 2},
    {"/sys/devices/virtual/dmi", 1},
    {"/sys/class/dmi/id", 1},
    {"/sys/devices/virtual/powercap", 2},
};

// Each a way to run code on the host, or to end it.
constexpr File kKnobs[] = {
    {"/proc/sysrq-trigger", 5},
    {"/proc/sys/kernel/core_pattern", 8},
    {"/proc/sys/kernel/modprobe", 8},
    {"/proc/sys/kernel/hotplug", 8},
    {"/proc/sys/kernel/hostname", 2},
    {"/proc/sys/kernel/panic", 3},
    {"/proc/sys/vm/panic_on_oom", 3},
    {"/proc/sys/vm/overcommit_memory", 2},
    {"/proc/sys/fs/binfmt_misc/register", 8},
    {"/proc/sys/net/ipv4/ip_forward", 2},
    {"/proc/sys/user/max_user_namespaces", 2},
    {"/proc/irq/default_smp_affinity", 2},
    {"/sys/kernel/uevent_helper", 8},
    {"/sys/power/state", 5},
    {"/sys/module/printk/parameters/console_suspend", 2},
    {"/sys/fs/cgroup/cgroup.procs", 3},
    {"/sys/fs/cgroup/memory/cgroup.procs", 3},
    {"/sys/fs/cgroup/memory/release_agent", 8},
    {"/sys/fs/cgroup/devices/devices.allow", 5},
};

constexpr std::string_view kStandardDevices[] = {"null",    "zero", "full",    "random",
                                                 "urandom", "tty",  "console", "ptmx"};

// Of the following, each is 0 where it can be done, else an errno.

// Something comes out: an entry of a directory, or a byte of a file that is not a masking /dev/null.
int gives(const char* path) {
  const Fd file(::open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  struct stat info {};
  if (!file.valid() || ::fstat(file.get(), &info) != 0) return errno;
  if (S_ISDIR(info.st_mode)) {
    errno = ENODATA;
    return is_empty_directory(file.get()) ? errno : 0;
  }
  char byte = 0;
  const ssize_t size = ::read(file.get(), &byte, 1);
  return size > 0 ? 0 : size == 0 ? ENODATA : errno;
}

int can_be_written(const char* path) {
  const Fd file(::open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  struct stat info {};
  if (!file.valid() || ::fstat(file.get(), &info) != 0) return errno;
  return S_ISCHR(info.st_mode) ? ENODEV : 0;  // a masking /dev/null
}

// Addresses that are all zero are hidden, not given away (kptr_restrict).
int shows_addresses(const char* path) {
  const Result<Fd> file = open_path(path, O_RDONLY);
  if (!file.ok()) return file.error().sys_errno;
  char text[18] = "";
  const ssize_t size = ::read(file->get(), text, 16);
  if (size != 16) return size < 0 ? errno : ENODATA;
  return std::string_view(text, 16).find_first_not_of('0') != std::string_view::npos ? 0 : ENODATA;
}

// tried(), but closed without a word: that most are closed is what is expected.
Check tried_quietly(std::string_view group, std::string_view name, int weight, int error) {
  Check check = tried(group, name, weight, error);
  if (!check.open) check.detail.clear();
  return check;
}

void check_devices(Checks& checks, std::string_view group) {
  std::string extra;
  std::string disks;
  DIR* directory = ::opendir("/dev");
  const int unread = directory == nullptr ? errno : 0;
  while (const dirent* entry = directory != nullptr ? ::readdir(directory) : nullptr) {
    struct stat info {};
    const std::string_view name = entry->d_name;
    if (::fstatat(::dirfd(directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISBLK(info.st_mode)) disks += concat({disks.empty() ? "" : " ", name});
    const bool standard = std::find(std::begin(kStandardDevices), std::end(kStandardDevices), name) !=
                          std::end(kStandardDevices);
    if (S_ISCHR(info.st_mode) && !standard) extra += concat({extra.empty() ? "" : " ", name});
  }
  if (directory != nullptr) (void)::closedir(directory);
  if (says_nothing(unread)) extra = disks = kNotMeasured;
  checks.push_back({group, "block devices", 5, !disks.empty(), disks});
  checks.push_back({group, "character devices beyond the six and the terminal", 2, !extra.empty(), extra});
  const int error = try_in_child([] {
    const char* const name = "/dev/gabion-probe";
    if (::mknod(name, S_IFCHR | 0600, makedev(1, 3)) != 0) return false;
    (void)::unlink(name);
    return true;
  });
  checks.push_back(tried(group, "device nodes made", 3, error));
}

// Above the standard streams, what leads to a file or directory somewhere else than below this root.
void check_descriptors(Checks& checks, std::string_view group) {
  std::string strange;
  for (int fd = 3; fd < 256; ++fd) {
    const Result<std::string> path = path_of(fd);
    if (!path.ok()) continue;
    struct stat here {};
    struct stat there {};
    const bool file = path->starts_with('/');
    const bool ours = file && ::fstat(fd, &there) == 0 && ::stat(path->c_str(), &here) == 0 &&
                      here.st_ino == there.st_ino && here.st_dev == there.st_dev;
    if (file && !ours) strange += concat({strange.empty() ? "" : " ", *path});
  }
  checks.push_back({group, "descriptors of the host's files", 6, !strange.empty(), strange});
  char directory[4096] = "";
  const bool outside = ::readlink("/proc/self/cwd", directory, sizeof(directory) - 1) > 0 &&
                       std::string_view(directory).starts_with("(unreachable)");
  checks.push_back({group, "a working directory outside the root (CVE-2024-21626)", 8, outside, directory});
}

}  // namespace

void probe_files(Checks& checks) {
  for (const File& secret : kSecrets) {
    const bool symbols = std::string_view(secret.path) == "/proc/kallsyms";
    checks.push_back(tried_quietly("secrets of the host", secret.path, secret.weight,
                                   symbols ? shows_addresses(secret.path) : gives(secret.path)));
  }
  for (const File& knob : kKnobs)
    checks.push_back(tried_quietly("knobs of the host", knob.path, knob.weight, can_be_written(knob.path)));
  check_devices(checks, "devices");
  check_descriptors(checks, "descriptors");
}

}  // namespace gabion::probe
