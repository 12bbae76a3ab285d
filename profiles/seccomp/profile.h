// A profile of this directory as text, and what it decides. Build-time only: the programs it becomes
// are data of the binary.
//
// {"description", "errno", "groups": [{"name", "reason", "syscalls", "action", "errno", "unless",
// "when"}]}. A group allows its calls unless `action` is "deny". `unless` and `when` are lists of
// alternatives, each a list of conditions that must all hold: a call that meets one of `unless` is
// denied; where there is a `when`, one that meets none of it is denied too.
// {"arg", "mask", "equals", "what"}: (argument & mask) == equals; without a mask all 64 bits.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernel/seccomp.h"
#include "kernel/seccomp_plan.h"

namespace gabion::profiles {

struct Group {
  std::string name;
  std::string reason;
  std::vector<std::string> syscalls;
  kernel::seccomp::Verdict verdict;
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

}  // namespace gabion::profiles
