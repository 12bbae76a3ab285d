// System call filters: from rules to BPF. Knows nothing of OCI or JSON: container/plan translates.
//
// Compiles to a balanced tree over coalesced ranges of system call numbers. The kernel evaluates
// every filter once per system call number when it is loaded (its allow bitmap), so a linear list
// of 350 rules costs 1.2 ms at load and a tree a tenth of that.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gabion::kernel::seccomp {

using Program = std::vector<sock_filter>;

enum class Compare { kNotEqual, kLess, kLessEqual, kEqual, kGreaterEqual, kGreater, kMaskedEqual };

struct Condition {
  uint32_t index = 0;  // argument 0 to 5
  Compare compare = Compare::kEqual;
  uint64_t value = 0;      // kMaskedEqual: the mask
  uint64_t value_two = 0;  // kMaskedEqual: the value to equal
  bool operator==(const Condition&) const = default;
};

struct Rule {
  std::vector<std::string> names;  // unknown on an architecture: skipped there, as runc does
  uint32_t action = 0;             // SECCOMP_RET_* with its data
  // All must hold, unless two test one argument: then any may (runc's and crun's meaning). Of several
  // rules for one call an unconditional one decides, else the strictest that holds.
  std::vector<Condition> conditions;
};

struct Filter {
  uint32_t default_action = 0;  // SECCOMP_RET_* with its data
  // AUDIT_ARCH_*, and kArchX32, besides the native one, which is always filtered. One that this
  // machine cannot run needs no code and is accepted.
  std::vector<uint32_t> architectures;
  std::vector<Rule> rules;
  // What a call from an architecture not listed gets. runc: SECCOMP_RET_KILL_PROCESS.
  uint32_t bad_arch_action = 0;
  // Numbers above every known call answer ENOSYS instead of the default action, so that libc falls
  // back (runc's behaviour for filters whose default is ERRNO).
  bool enosys_for_unknown = false;
};

// x32 shares AUDIT_ARCH_X86_64 and is told apart by bit 30 of the number.
inline constexpr uint32_t kArchX32 = 0x4000003eU | 0x10000000U;

// seccomp_watch.h: what a filter that is in force as well denies and listens to.
struct WatchedCall;
using Watch = std::vector<WatchedCall>;

// `watch`: the calls left to the filter that listens; nullptr: none.
Result<Program> compile(const Filter& filter, const Watch* watch = nullptr);

// OCI names → numbers: "SCMP_ACT_ERRNO" with errno_ret, "SCMP_ARCH_X86_64". Errors name the word.
Result<uint32_t> action_from_name(std::string_view name, uint32_t errno_ret);
Result<uint32_t> architecture_from_name(std::string_view name);
Result<Compare> compare_from_name(std::string_view name);
Result<uint32_t> flag_from_name(std::string_view name);  // SECCOMP_FILTER_FLAG_*

// Profiles from profiles/seccomp/, compiled when gabion was built. nullptr when there is no such.
const Program* builtin_profile(std::string_view name);

// Installs `program` on the calling thread. `flags` are SECCOMP_FILTER_FLAG_*; with NEW_LISTENER
// the value is the listener's descriptor, otherwise -1.
Result<int> load(const Program& program, uint32_t flags);

}  // namespace gabion::kernel::seccomp
