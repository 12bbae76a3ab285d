// Calls that a filter denies and that somebody wants to hear of: the filter asks its listener instead of
// answering by itself, and the listener gives the answer the filter would have given.
//
// Where several filters are in force the kernel takes the strictest answer, and ERRNO outranks USER_NOTIF
// (seccomp(2)): a call that another filter denies as well is never heard of. So the other filter is compiled
// to leave exactly those calls to this one.
#pragma once

#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/seccomp.h"
#include "kernel/seccomp_plan.h"

namespace gabion::kernel::seccomp {

struct WatchedCall {
  uint32_t number = 0;    // of the native convention
  std::string_view kind;  // the profile's word: "mounts", "tracing", ...
  Verdict verdict;        // whatever is not SECCOMP_RET_ALLOW is heard of
};

// nullptr: not watched. A Watch is in ascending order of the numbers.
const WatchedCall* find_watched(const Watch& watch, uint32_t number);

// What the verdict says to these arguments: SECCOMP_RET_* with its data. A condition other than a
// comparison under a mask, which profiles do not have, never holds.
uint32_t evaluate(const Verdict& verdict, std::span<const uint64_t, 6> arguments);

// `other` where `watched` allows, and ALLOW where it denies: that is denied by the watching filter. Unless
// `other` has an answer stricter than an error (KILL, TRAP), which is then left as it is.
Verdict leave_to(const Verdict& watched, const Verdict& other);

// A profile of profiles/seccomp/ that asks instead of denying.
struct WatchingProfile {
  // Every SECCOMP_RET_USER_NOTIF is asks_for(): listening_for() makes of it what is loaded.
  Program program;
  Watch watch;
  std::vector<std::string_view> kinds;
};

// What an answer that asks carries besides, as the data of which SECCOMP_RET_USER_NOTIF has no use
// (seccomp(2)): an index of WatchingProfile::kinds, and the error that the filter would give by itself.
inline constexpr size_t kMaxKinds = 16;
constexpr uint32_t asks_for(size_t kind, uint32_t error) {
  return SECCOMP_RET_USER_NOTIF | static_cast<uint32_t>(kind) << 12 | (error & 0xfff);
}

// The profile for one who listens to these kinds alone: the others it denies by itself, which costs nobody
// anything but the caller.
WatchingProfile listening_for(const WatchingProfile& profile, std::span<const std::string_view> kinds);
// `raw_sockets`: the process may have raw sockets (CAP_NET_RAW), which are heard of otherwise: the kernel
// refuses them, and says so to nobody. nullptr when there is no such profile.
const WatchingProfile* watching_profile(std::string_view name, bool raw_sockets);

}  // namespace gabion::kernel::seccomp
