#include "container/landlock_rules.h"

#include <sys/mount.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "base/path.h"
#include "base/text.h"
#include "kernel/mount_options.h"

namespace gabion::container {

namespace {

namespace landlock = kernel::landlock;
using landlock::Access;

// As the launch applies them: what is said of the whole tree first, then of its top.
bool has_flag(const kernel::MountOptions& options, uint64_t flag) {
  if ((options.attributes.set & flag) != 0) return true;
  return (options.recursive.set & flag) != 0 && (options.attributes.clear & flag) == 0;
}

Access rights_of(const oci::Mount& mount) {
  const kernel::MountOptions options = kernel::parse_mount_options(mount.options);
  // Devices and the like cannot be told apart in sysfs: it is for reading.
  if (mount.type == "sysfs") return landlock::kRead;
  if (has_flag(options, MOUNT_ATTR_RDONLY)) {
    const bool program = !has_flag(options, MOUNT_ATTR_NOEXEC) && mount.type != "proc";
    return landlock::kRead | (program ? landlock::kExecute : 0);
  }
  // Each process has files of its own to write there (oom_score_adj, comm), in directories that come and go
  // with it.
  if (mount.type == "proc") return landlock::kRead | landlock::kWriteFile | landlock::kTruncate;
  return landlock::kRead | landlock::kWrite;
}

bool executes(const LandlockPlace& place) { return (place.access & landlock::kExecute) != 0; }

// The one of the places that `path` is in: the deepest.
const LandlockPlace* owner_of(const std::vector<LandlockPlace>& places, std::string_view path) {
  const LandlockPlace* owner = nullptr;
  for (const LandlockPlace& place : places) {
    if (!path_is_within(path, place.path)) continue;
    if (owner == nullptr || place.path.size() > owner->path.size()) owner = &place;
  }
  return owner;
}

}  // namespace

std::vector<LandlockPlace> landlock_places(const oci::Spec& spec, const policy::Controls& controls) {
  constexpr Access kDevices = landlock::kRead | landlock::kWriteFile | landlock::kIoctlDev;
  std::vector<LandlockPlace> places;
  // A writable root holds the programs as well: there the two rights cannot be kept apart.
  const bool readonly = spec.root && spec.root->readonly;
  places.push_back({"/", landlock::kRead | landlock::kExecute | (readonly ? 0 : landlock::kWrite), true});
  for (const policy::VolatilePath& path : controls.volatile_paths) {
    places.push_back({clean_path(path.path), landlock::kRead | landlock::kWrite, true});
  }
  const bool has_dev = std::any_of(spec.mounts.begin(), spec.mounts.end(), [](const oci::Mount& mount) {
    return clean_path(mount.destination) == "/dev";
  });
  if (!has_dev) places.push_back({"/dev", landlock::kRead | landlock::kWrite, true});
  for (const oci::Mount& mount : spec.mounts) {
    places.push_back({clean_path(concat({"/", mount.destination})), rights_of(mount), true});
  }
  places.push_back({"/dev", kDevices, false});
  for (const oci::Device& device : spec.linux_.devices) {
    const std::string path = clean_path(device.path);
    if (!path_is_within(path, "/dev")) places.push_back({path, kDevices, false});
  }
  return places;
}

std::vector<LandlockPlace> visible_places(const std::vector<LandlockPlace>& places) {
  std::vector<LandlockPlace> visible;
  for (const LandlockPlace& place : places) {
    const auto same = std::find_if(visible.begin(), visible.end(),
                                   [&](const LandlockPlace& earlier) { return earlier.path == place.path; });
    if (same == visible.end()) {
      visible.push_back(place);
    } else if (place.mounted) {
      *same = place;
    } else {
      same->access |= place.access;
    }
  }
  return visible;
}

std::vector<LandlockRule> landlock_rules(const std::vector<LandlockPlace>& places) {
  // Directories above a place that must not execute, and which of their entries lead there.
  std::map<std::string, std::set<std::string>> above;
  for (const LandlockPlace& place : places) {
    if (executes(place)) continue;
    std::string directory = "/";
    for (std::string_view part : split(place.path, '/')) {
      if (part.empty()) continue;
      above[directory].emplace(part);
      directory = join_path(directory, part);
    }
  }
  std::vector<LandlockRule> rules;
  for (const LandlockPlace& place : places) {
    const bool whole = !executes(place) || !above.contains(place.path);
    rules.push_back({place.path, whole ? place.access : place.access & ~landlock::kExecute, false, {}});
  }
  for (const auto& [directory, names] : above) {
    const LandlockPlace* owner = owner_of(places, directory);
    if (owner == nullptr || !executes(*owner)) continue;
    rules.push_back({directory, landlock::kExecute, true, {names.begin(), names.end()}});
  }
  return rules;
}

}  // namespace gabion::container
