// What a filter decides, before it is BPF: one verdict for every number of every architecture.
// Filter (seccomp.h) and the profiles of profiles/seccomp/ both become this.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kernel/seccomp.h"

namespace gabion::kernel::seccomp {

struct Branch {
  std::vector<Condition> conditions;  // all must hold; none: always holds
  uint32_t action = 0;
  bool operator==(const Branch&) const = default;
};

struct Verdict {
  uint32_t action = 0;           // when no branch holds
  std::vector<Branch> branches;  // the first that holds decides
  // The caller's arguments are 32 bits wide: compare the low words and leave the high ones alone.
  bool narrow = false;
  bool operator==(const Verdict&) const = default;
};

// From `first` to the next span's first, or to the last number.
struct Span {
  uint32_t first = 0;
  uint32_t verdict = 0;  // index into Plan::verdicts
};

struct ArchitecturePlan {
  uint32_t audit_arch = 0;
  std::vector<Span> spans;  // ascending; the first starts at 0; neighbours differ
};

struct Plan {
  std::vector<Verdict> verdicts;
  std::vector<ArchitecturePlan> architectures;
  uint32_t bad_arch_action = 0;

  // The index of an equal verdict, added if need be.
  uint32_t intern(Verdict verdict);
};

// What one calling convention's calls get; every other number gets the default.
struct Calls {
  bool wanted = false;                                  // filtered; else its calls are of a bad architecture
  uint32_t last = 0;                                    // the largest number the filter names, 0: none
  std::vector<std::pair<uint32_t, uint32_t>> verdicts;  // number → verdict, ascending
};

// Verdicts that need no call.
struct Defaults {
  uint32_t known = 0;  // a number without a rule
  uint32_t bad_arch = 0;
  // A number beyond Calls::last, when `enosys`.
  uint32_t unknown = 0;
  bool enosys = false;
};

// The native architecture's whole number space, x32's part included where there is one.
std::vector<Span> native_spans(const Calls& native, const Calls& x32, const Defaults& defaults);
std::vector<Span> compat_spans(const Calls& compat, const Defaults& defaults);

// More than BPF_MAXINSNS instructions is Code::kInvalid.
Result<Program> emit(const Plan& plan);

}  // namespace gabion::kernel::seccomp
