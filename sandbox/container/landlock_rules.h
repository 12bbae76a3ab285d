// What Landlock lets a container do with files: what its mounts say, said a second time. Pure.
//
// A mount that can be written gives no right to execute, whatever its own flags are; one that is read-only
// gives none to write. Nowhere can a device be made, and only in /dev can one be controlled (ioctl(2)).
// Landlock adds rights up from a file to the root, so what a mount may do less than the one it is in has to
// be left out above it: the right to execute is given not to "/" but to each of its entries that leads to
// no such mount. For writing this cannot be done, because new entries must be writable too: a read-only
// mount in a writable one, and /proc/sys in /proc, are held by their mounts alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/landlock.h"
#include "oci/spec.h"
#include "policy/harden.h"

namespace gabion::container {

// A file or directory and what is allowed from there on down.
struct LandlockPlace {
  std::string path;  // in the container
  kernel::landlock::Access access = 0;
  bool mounted = true;  // only where something is mounted; else whatever is there
  // The mount that was found there (STATX_MNT_ID), when `path` no longer leads through links; 0: not looked
  // up.
  uint64_t mount = 0;
  bool operator==(const LandlockPlace&) const = default;
};

// Of a hardened spec, in the order in which they are mounted, "/" first. Links in paths are not resolved.
std::vector<LandlockPlace> landlock_places(const oci::Spec& spec, const policy::Controls& controls);

// One place for each path: of mounts the last, which hides the others; the rest adds to it.
std::vector<LandlockPlace> visible_places(const std::vector<LandlockPlace>& places);

struct LandlockRule {
  std::string path;
  kernel::landlock::Access access = 0;
  // To each entry of the directory but these, and not to the directory itself.
  bool entries = false;
  std::vector<std::string> except;
  bool operator==(const LandlockRule&) const = default;
};

// `places` with links resolved, no path twice.
std::vector<LandlockRule> landlock_rules(const std::vector<LandlockPlace>& places);

}  // namespace gabion::container
