#include "kernel/seccomp_watch.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <iterator>

namespace gabion::kernel::seccomp {
namespace {

bool holds(const Condition& condition, std::span<const uint64_t, 6> arguments) {
  if (condition.compare != Compare::kMaskedEqual || condition.index > 5) return false;
  return (arguments[condition.index] & condition.value) == condition.value_two;
}

// The kernel's order of precedence (seccomp(2)): KILL_PROCESS is negative.
bool stricter_than_an_error(uint32_t action) {
  return static_cast<int32_t>(action & SECCOMP_RET_ACTION_FULL) < static_cast<int32_t>(SECCOMP_RET_ERRNO);
}

bool stricter_than_an_error(const Verdict& verdict) {
  return stricter_than_an_error(verdict.action) ||
         std::any_of(verdict.branches.begin(), verdict.branches.end(),
                     [](const Branch& branch) { return stricter_than_an_error(branch.action); });
}

std::vector<Condition> both(std::vector<Condition> left, const std::vector<Condition>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

}  // namespace

const WatchedCall* find_watched(const Watch& watch, uint32_t number) {
  const auto at = std::lower_bound(watch.begin(), watch.end(), number,
                                   [](const WatchedCall& call, uint32_t n) { return call.number < n; });
  return at != watch.end() && at->number == number ? &*at : nullptr;
}

uint32_t evaluate(const Verdict& verdict, std::span<const uint64_t, 6> arguments) {
  for (const Branch& branch : verdict.branches) {
    if (std::all_of(branch.conditions.begin(), branch.conditions.end(),
                    [&](const Condition& condition) { return holds(condition, arguments); })) {
      return branch.action;
    }
  }
  return verdict.action;
}

Verdict leave_to(const Verdict& watched, const Verdict& other) {
  if (stricter_than_an_error(other)) return other;
  // The first branch that holds decides, in both: so the watching filter's come first, and below one that
  // allows stands the whole of the other.
  Verdict result{SECCOMP_RET_ALLOW, {}, other.narrow};
  for (const Branch& branch : watched.branches) {
    if (branch.action == SECCOMP_RET_ALLOW) {
      for (const Branch& inner : other.branches) {
        result.branches.push_back({both(branch.conditions, inner.conditions), inner.action});
      }
      result.branches.push_back({branch.conditions, other.action});
    } else {
      result.branches.push_back({branch.conditions, SECCOMP_RET_ALLOW});
    }
  }
  if (watched.action == SECCOMP_RET_ALLOW) {
    result.branches.insert(result.branches.end(), other.branches.begin(), other.branches.end());
    result.action = other.action;
  }
  return result;
}

WatchingProfile listening_for(const WatchingProfile& profile, std::span<const std::string_view> kinds) {
  const auto wanted = [&](std::string_view kind) {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
  };
  WatchingProfile heard{profile.program, {}, profile.kinds};
  for (sock_filter& now : heard.program) {
    const bool asks =
        now.code == (BPF_RET | BPF_K) && (now.k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF;
    if (!asks) continue;
    const uint32_t data = now.k & SECCOMP_RET_DATA;
    now.k = wanted(profile.kinds[data >> 12]) ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ERRNO | (data & 0xfff);
  }
  std::copy_if(profile.watch.begin(), profile.watch.end(), std::back_inserter(heard.watch),
               [&](const WatchedCall& call) { return wanted(call.kind); });
  return heard;
}

}  // namespace gabion::kernel::seccomp
