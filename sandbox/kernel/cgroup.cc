// Cgroup: making, joining and removing a group's directories.
#include "kernel/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/path.h"
#include "base/text.h"
#include "kernel/cgroup_group.h"
#include "kernel/cgroup_tree.h"
#include "kernel/cgroup_v1.h"
#include "kernel/cgroup_v2.h"

namespace gabion::kernel {
namespace {

constexpr int kRemoveTimeoutMs = 2000;
constexpr int64_t kRemoveFirstNs = 100'000;
constexpr int64_t kRemoveLongestNs = 50'000'000;
// How often a parent may be removed under our hands by a concurrent delete before we give up.
constexpr int kMakeAttempts = 100;

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

// Directories made so far, removed again unless committed.
class MadeDirectories {
 public:
  MadeDirectories() = default;
  MadeDirectories(const MadeDirectories&) = delete;
  MadeDirectories& operator=(const MadeDirectories&) = delete;
  ~MadeDirectories() {
    // Best effort: a parent that others use by now stays.
    for (auto path = made_.rbegin(); path != made_.rend(); ++path) (void)::rmdir(path->c_str());
  }

  // True when `path` was made, false when it was there.
  Result<bool> make(const std::string& path) {
    for (int attempt = 0; attempt < kMakeAttempts; ++attempt) {
      if (::mkdir(path.c_str(), 0755) == 0) {
        made_.push_back(path);
        return true;
      }
      if (errno == EEXIST) return false;
      // ENODEV: the parent is being removed at this moment.
      if (errno != ENOENT && errno != ENODEV) break;
      const std::string parent = parent_of(path);
      if (parent == "/") break;
      (void)TRY(make(parent));
    }
    return sys_error(concat({"failed to make cgroup \"", path, "\""}));
  }
  void commit() { made_.clear(); }

 private:
  std::vector<std::string> made_;
};

Status require_unused(GroupDirectory& directory) {
  std::vector<pid_t> pids;
  TRY(collect_processes(directory.path(), pids));
  if (!pids.empty()) {
    return make_error(Code::kWrongState,
                      concat({"container's cgroup is not empty: ", std::to_string(pids.size()),
                              " process(es) found in \"", directory.path(), "\""}));
  }
  if (!directory.serves("freezer")) return ok_status();
  const bool frozen = TRY(v1_frozen(directory));
  if (frozen) {
    return make_error(Code::kWrongState,
                      concat({"container's cgroup unexpectedly frozen: \"", directory.path(), "\""}));
  }
  return ok_status();
}

Status make_group(MadeDirectories& made, GroupDirectory& directory) {
  const bool fresh = TRY(made.make(directory.path()));
  directory.set_fresh(fresh);
  return fresh ? ok_status() : require_unused(directory);
}

Status apply_all(Group& group, const CgroupLimits& limits) {
  return group.is_unified() ? apply_v2(group, limits) : apply_v1(group, limits);
}

enum class Unified { kMake, kMade };  // kMade: by create_unified()

Status make_groups(const CgroupLocation& location, const CgroupLimits& limits, Unified unified) {
  MadeDirectories made;
  Group group(location);
  for (GroupDirectory& directory : group.directories()) {
    if (unified == Unified::kMake || directory.name() != kUnified) TRY(make_group(made, directory));
  }
  if (group.is_unified()) {
    TRY(enable_controllers(group, limits));
  } else {
    TRY(prepare_v1(group, limits));
  }
  TRY(apply_all(group, limits));
  made.commit();
  return ok_status();
}

// exec's --cgroup, split: which sub-group each controller's directory is to use.
struct SubGroup {
  std::vector<std::string> controllers;  // empty: all
  std::string path;                      // cleaned, rooted
};

Result<std::vector<SubGroup>> parse_sub_groups(const std::string& sub, Group& group) {
  std::vector<SubGroup> subs;
  for (std::string_view word : split(sub, ' ')) {
    if (word.empty()) continue;
    SubGroup parsed;
    const size_t colon = word.find(':');
    if (colon != std::string_view::npos) {
      for (std::string_view controller : split(word.substr(0, colon), ',')) {
        if (group.find(controller) == nullptr) {
          return make_error(Code::kInvalid, concat({"unknown controller ", controller, " in cgroup ", word}));
        }
        parsed.controllers.emplace_back(controller);
      }
      word.remove_prefix(colon + 1);
    }
    parsed.path = clean_path(concat({"/", word}));
    subs.push_back(std::move(parsed));
  }
  return subs;
}

std::string sub_directory(const GroupDirectory& directory, const std::vector<SubGroup>& subs) {
  for (const SubGroup& sub : subs) {
    const bool chosen = sub.controllers.empty() ||
                        std::any_of(sub.controllers.begin(), sub.controllers.end(),
                                    [&](const std::string& name) { return directory.serves(name); });
    if (chosen) return sub.path == "/" ? directory.path() : directory.path() + sub.path;
  }
  return directory.path();
}

}  // namespace

Cgroup Cgroup::open(CgroupLocation location) { return Cgroup(std::move(location)); }

bool CgroupLocation::has_v1() const {
  return std::any_of(directories.begin(), directories.end(),
                     [](const auto& directory) { return directory.first != kUnified; });
}

Result<Cgroup> Cgroup::create(const CgroupLocation& location, const CgroupLimits& limits) {
  TRY(make_groups(location, limits, Unified::kMake));
  return Cgroup(location);
}

Result<Cgroup> Cgroup::create_unified(const CgroupLocation& location) {
  MadeDirectories made;
  CgroupLocation unified;
  for (const auto& [name, path] : location.directories) {
    if (name != kUnified) continue;
    GroupDirectory directory(name, path);
    TRY(make_group(made, directory));
    unified.directories.emplace_back(name, path);
  }
  made.commit();
  return Cgroup(std::move(unified));
}

Result<Cgroup> Cgroup::create_v1(const CgroupLocation& location, const CgroupLimits& limits) {
  TRY(make_groups(location, limits, Unified::kMade));
  return Cgroup(location);
}

Status Cgroup::apply(const CgroupLimits& limits) {
  Group group(location_);
  return apply_all(group, limits);
}

Result<std::vector<Fd>> Cgroup::open_procs(const std::string& sub, Join join) const {
  Group group(location_);
  const std::vector<SubGroup> subs = TRY(parse_sub_groups(sub, group));
  std::vector<Fd> files;
  files.reserve(group.directories().size());
  for (GroupDirectory& directory : group.directories()) {
    const bool unified = directory.name() == kUnified;
    if (unified && join == Join::kWithoutUnified) continue;
    const std::string path = sub_directory(directory, subs);
    Result<Fd> file = open_path(concat({path, unified ? "/cgroup.procs" : "/tasks"}), O_WRONLY);
    if (!file.ok()) {
      return sys_error(concat({"error adding pid to cgroup: failed to open ", path, "/cgroup.procs"}),
                       file.error().sys_errno);
    }
    files.push_back(std::move(file).value());
  }
  return files;
}

Result<Fd> Cgroup::open_into(const std::string& sub) const {
  Group group(location_);
  const std::vector<SubGroup> subs = TRY(parse_sub_groups(sub, group));
  GroupDirectory* unified = group.unified();
  if (unified == nullptr) return Fd();
  const std::string path = sub_directory(*unified, subs);
  Result<Fd> directory = open_path(path, O_RDONLY | O_DIRECTORY);
  if (!directory.ok()) {
    return sys_error(concat({"error adding pid to cgroup: failed to open ", path, "/cgroup.procs"}),
                     directory.error().sys_errno);
  }
  return directory;
}

Result<std::vector<pid_t>> Cgroup::processes() const {
  std::vector<pid_t> pids;
  Group group(location_);
  // Every process is in every hierarchy; one is enough, and cgroup2's is the one a v1-only tool
  // inside the container cannot have split.
  for (std::string_view name : {kUnified, std::string_view("pids"), std::string_view("freezer")}) {
    GroupDirectory* directory = group.find(name);
    if (directory == nullptr || !directory->fd().ok()) continue;
    TRY(collect_processes(directory->path(), pids));
    tidy_processes(pids);
    return pids;
  }
  for (GroupDirectory& directory : group.directories()) {
    if (!directory.fd().ok()) continue;
    TRY(collect_processes(directory.path(), pids));
    break;
  }
  tidy_processes(pids);
  return pids;
}

bool Cgroup::remove_if_vacant() {
  return std::all_of(location_.directories.begin(), location_.directories.end(), [](const auto& directory) {
    return ::rmdir(directory.second.c_str()) == 0 || is_gone(errno);
  });
}

Status Cgroup::remove() {
  std::vector<std::string> left;
  left.reserve(location_.directories.size());
  for (const auto& [name, path] : location_.directories) left.push_back(path);
  Status result = ok_status();
  Backoff backoff(kRemoveTimeoutMs, kRemoveFirstNs, kRemoveLongestNs);
  do {
    std::vector<std::string> busy;
    for (std::string& path : left) {
      const Result<bool> removed = try_remove_group(path);
      // One broken hierarchy does not keep the others' groups alive.
      if (!removed.ok()) {
        if (result.ok()) result = removed.error();
      } else if (!*removed) {
        busy.push_back(std::move(path));
      }
    }
    left = std::move(busy);
  } while (!left.empty() && backoff.pause());
  if (left.empty()) return result;
  std::vector<pid_t> pids;
  (void)collect_processes(left.front(), pids);  // for the message only
  return sys_error(concat({"failed to remove cgroup \"", left.front(), "\" (", std::to_string(pids.size()),
                           " process(es) still in it)"}),
                   EBUSY);
}

}  // namespace gabion::kernel
