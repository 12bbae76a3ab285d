// A group is made with the limits a container has, frozen, thawed and removed.
#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_mounts.h"
#include "kernel/mountinfo.h"
#include "node/checks.h"
#include "node/trial.h"

namespace gabion::node {
namespace {

constexpr std::string_view kGroupPrefix = "gabion-check-";
constexpr const char* kControllers[] = {"pids", "memory", "devices", "freezer", "cpu"};

const char* layout_name(kernel::CgroupMode mode) {
  switch (mode) {
    case kernel::CgroupMode::kLegacy:
      return "v1";
    case kernel::CgroupMode::kHybrid:
      return "hybrid";
    case kernel::CgroupMode::kUnified:
      return "v2";
  }
  return "";
}

std::vector<std::string> present_controllers(const std::string& mountinfo, kernel::CgroupMode mode) {
  std::vector<std::string> present;
  for (const kernel::CgroupMount& mount : kernel::parse_cgroup_mounts(mountinfo)) {
    if (!mount.unified) {
      present.insert(present.end(), mount.options.begin(), mount.options.end());
      continue;
    }
    const Result<std::string> text = read_file(join_path(mount.mount_point, "cgroup.controllers"), 4096);
    if (!text.ok()) continue;
    for (std::string_view name : split(trim(*text), ' ')) present.emplace_back(name);
  }
  // cgroup2 has no such controllers: a BPF program and cgroup.freeze do their work.
  if (mode == kernel::CgroupMode::kUnified) present.insert(present.end(), {"devices", "freezer"});
  return present;
}

// Groups of earlier checks that were killed half-way: their names are ours, their processes never existed.
void remove_stale(const kernel::CgroupLocation& location) {
  for (const auto& [controller, directory] : location.directories) {
    const std::string parent = directory.substr(0, directory.rfind('/'));
    DIR* stream = ::opendir(parent.c_str());
    if (stream == nullptr) continue;
    std::vector<std::string> stale;
    while (const dirent* entry = ::readdir(stream)) {  // NOLINT(concurrency-mt-unsafe): one thread
      const std::string_view name = entry->d_name;
      if (!name.starts_with(kGroupPrefix)) continue;
      const std::optional<uint64_t> pid = parse_unsigned(name.substr(kGroupPrefix.size()), INT32_MAX);
      if (pid && ::kill(static_cast<pid_t>(*pid), 0) != 0 && errno == ESRCH) stale.emplace_back(name);
    }
    (void)::closedir(stream);
    for (const std::string& name : stale) (void)::rmdir(join_path(parent, name).c_str());
  }
}

Status try_group(const policy::Policy& policy) {
  const std::string name = concat({kGroupPrefix, std::to_string(::getpid())});
  const kernel::CgroupLocation location = TRY(kernel::Cgroup::locate(concat({"/", name}), name));
  remove_stale(location);
  kernel::CgroupLimits limits;
  if (policy.pids != 0) limits.pids_limit = 16;
  if (!policy.memory.none()) limits.memory_limit = int64_t{64} << 20;
  limits.devices = std::vector<kernel::DeviceRule>{{}};  // deny all
  kernel::Cgroup group = TRY(kernel::Cgroup::create(location, limits));
  Status frozen = group.freeze();
  if (frozen.ok()) frozen = group.thaw();
  Status removed = group.remove();
  // Without a freezer only pause and resume are missing: the table of controllers says so.
  if (!frozen.ok() && frozen.error().code != Code::kUnsupported) return frozen;
  return removed;
}

}  // namespace

void check_cgroups(const Subject& subject, Findings& findings) {
  if (subject.request.no_cgroups) {
    findings.push_back(warned("cgroups", "switched off by --cgroup-manager disabled",
                              "leave the flag out: without cgroups nothing limits a container"));
    return;
  }
  const Result<std::string> mountinfo = kernel::read_mountinfo();
  const kernel::CgroupMode mode = kernel::cgroup_mode();
  const std::vector<std::string> present =
      mountinfo.ok() ? present_controllers(*mountinfo, mode) : std::vector<std::string>();
  std::vector<std::string> have;
  std::vector<std::string> lack;
  for (const char* name : kControllers) {
    const bool there = std::find(present.begin(), present.end(), name) != present.end();
    (there ? have : lack).emplace_back(name);
  }
  std::string found =
      concat({layout_name(mode), ", with ", have.empty() ? "no controller" : name_some(have, 5)});
  const Status made = in_child([&subject]() { return try_group(subject.policy); }, Ending::kOnItsOwn);
  if (!made.ok()) {
    findings.push_back(failed("cgroups", concat({found, "; a group with limits: ", made.error().message()}),
                              "mount cgroups writable (cgroup2 on /sys/fs/cgroup), with the controllers the "
                              "policy's ceilings need"));
  } else if (!lack.empty()) {
    findings.push_back(warned("cgroups", concat({found, "; not ", name_some(lack, 5)}),
                              "boot a kernel with these controllers (cgroup_disable= may name them); a "
                              "configuration that sets such a limit is refused"));
  } else {
    findings.push_back(passed("cgroups", std::move(found)));
  }
}

}  // namespace gabion::node
