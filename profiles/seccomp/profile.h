// A profile of this directory as text, and what it decides. Build-time only: the programs it becomes
// are data of the binary.
//
// {"description", "errno", "groups": [{"name", "reason", "syscalls", "action", "errno", "unless", "when",
// "watch", "needs", "beside_listener"}]}. A group allows its calls unless `action` is "deny". `unless` and
// `when` are lists of alternatives, each a list of conditions that must all hold: a call that meets one of
// `unless` is denied; where there is a `when`, one that meets none of it is denied too. `watch` is what the
// group's denials are called where somebody listens to them (kernel/seccomp_watch.h). `needs` {"capability",
// "errno", "when"} are calls that the kernel refuses without the capability: where somebody listens and the
// process lacks it, they are denied here, so that they are heard of. `beside_listener` {"errno", "when"} are
// calls that are denied where somebody listens, and not heard of: what would take the listener's place once
// it is gone.
// {"arg", "mask", "equals", "what"}: (argument & mask) == equals; without a mask all 64 bits.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernel/seccomp.h"
#include "kernel/seccomp_plan.h"
#include "kernel/seccomp_watch.h"

namespace gabion::profiles {

struct Group {
  std::string name;
  std::string reason;
  std::vector<std::string> syscalls;
  kernel::seccomp::Verdict verdict;
  std::string watch;                           // "": its denials are not heard of
  std::vector<kernel::seccomp::Branch> needs;  // denied without CAP_NET_RAW
  std::vector<kernel::seccomp::Branch> beside_listener;
};

struct Profile {
  uint32_t default_action = 0;
  std::vector<Group> groups;
};

// Every group has a reason, every native call of this machine is in exactly one group, and every name
// is a call: anything else is Code::kInvalid and names the culprit.
Result<Profile> read_profile(std::string_view text, std::string_view name);

// For the native architecture; every other is killed, and numbers the table lacks are ENOSYS.
Result<kernel::seccomp::Program> compile_profile(const Profile& profile);

// The same, but the denials of groups with `watch` ask the listener (WatchingProfile::program says how). The
// words are the profile's own texts.
Result<kernel::seccomp::WatchingProfile> compile_watching(const Profile& profile, bool raw_sockets);

}  // namespace gabion::profiles
