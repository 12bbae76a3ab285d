// What killed runtimes left of containers: state directories without a process, half-removed ones, mounts.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/path.h"
#include "base/text.h"
#include "container/container.h"
#include "container/store.h"
#include "kernel/mountinfo.h"
#include "node/checks.h"
#include "node/slots.h"

namespace gabion::node {
namespace {

std::string delete_command(const std::string& root, const std::string& id) {
  return concat({"gabion --root ", root, " delete --force ", id});
}

// --root, and those of the containers that have an id range: engines have roots of their own.
std::vector<std::string> roots(const Request& request) {
  std::vector<std::string> found = {clean_path(request.root)};
  for (const Slot& slot : read_slots(request.id_directory)) {
    if (!slot.orphan) found.push_back(slot.owner.substr(0, slot.owner.rfind('/')));
  }
  std::sort(found.begin() + 1, found.end());
  found.erase(std::unique(found.begin() + 1, found.end()), found.end());
  found.erase(std::remove(found.begin() + 1, found.end(), found.front()), found.end());
  return found;
}

std::string describe(const container::Store& store, const std::string& id) {
  const Result<container::State> state = store.load(id);
  if (!state.ok()) return "stopped";
  std::string words = state->phase == container::ContainerStatus::kCreating
                          ? "whoever was creating it was killed"
                          : "its process is gone, and nobody has deleted it";
  if (state->cgroup.directories.empty()) return words;
  const Result<std::vector<pid_t>> left = kernel::Cgroup::open(state->cgroup).processes();
  if (left.ok() && !left->empty()) {
    words += concat({"; ", std::to_string(left->size()), " processes are left in its cgroup"});
  }
  struct stat info {};
  const bool there = std::any_of(state->cgroup.directories.begin(), state->cgroup.directories.end(),
                                 [&](const auto& entry) { return ::stat(entry.second.c_str(), &info) == 0; });
  return there ? words + "; its cgroup is there" : words;
}

// Names of Store::erase() whose process was killed: "~PID.TIME".
std::vector<std::string> half_removed(const std::string& root) {
  std::vector<std::string> found;
  for (const std::string& name : names_in(root)) {
    if (!name.starts_with('~')) continue;
    const std::optional<uint64_t> pid =
        parse_unsigned(std::string_view(name).substr(1, name.find('.') - 1), INT32_MAX);
    if (!pid || ::kill(static_cast<pid_t>(*pid), 0) != 0) found.push_back(name);
  }
  return found;
}

void check_root(const Subject& subject, const std::string& root, Findings& findings) {
  struct stat info {};
  if (::lstat(root.c_str(), &info) != 0 && errno == ENOENT) {  // Store::open() would make it
    findings.push_back(passed("containers", "none", root));
    return;
  }
  audit::Log log = audit::Log::disabled();
  container::Host host;
  host.root = root;
  host.policy = &subject.policy;
  host.audit = &log;
  const Result<container::Store> store = container::Store::open(root);
  const Result<std::vector<container::Info>> all = container::list(host);
  if (!store.ok() || !all.ok()) {
    findings.push_back(failed("containers", store.ok() ? all.error().message() : store.error().message(),
                              concat({"chown root ", root, " && chmod 0700 ", root}), root));
    return;
  }
  size_t dead = 0;
  for (const container::Info& each : *all) {
    if (each.status != container::ContainerStatus::kStopped) continue;
    ++dead;
    findings.push_back(warned("containers", describe(*store, each.id), delete_command(root, each.id),
                              store->directory(each.id)));
  }
  const std::vector<std::string> half = half_removed(root);
  if (!half.empty()) {
    findings.push_back(warned("containers", concat({"half removed: ", name_some(half, 4)}),
                              delete_command(root, "any"), root));
  }
  if (dead == 0 && half.empty()) {
    findings.push_back(
        passed("containers", concat({std::to_string(all->size()), ", none of them dead"}), root));
  }
}

// A container's mounts are in its own mount namespace; one of the node's below a state directory was left.
void check_mounts(const std::vector<std::string>& directories, Findings& findings) {
  const Result<std::string> table = kernel::read_mountinfo();
  if (!table.ok()) return;
  bool clean = true;
  for (std::string_view line : split(*table, '\n')) {
    const std::optional<kernel::MountLine> mount = kernel::parse_mount_line(line);
    if (!mount) continue;
    const std::string point = kernel::unescape_mount_field(mount->point);
    const bool inside = std::any_of(directories.begin(), directories.end(), [&](const std::string& root) {
      return point != root && path_is_within(point, root);
    });
    if (!inside) continue;
    clean = false;
    findings.push_back(warned("mounts", concat({std::string(mount->type), " in a state directory"}),
                              concat({"umount -l ", point}), point));
  }
  if (clean) findings.push_back(passed("mounts", "none in a state directory"));
}

}  // namespace

void check_containers(const Subject& subject, Findings& findings) {
  const std::vector<std::string> directories = roots(subject.request);
  for (const std::string& root : directories) check_root(subject, root, findings);
  check_mounts(directories, findings);
}

}  // namespace gabion::node
