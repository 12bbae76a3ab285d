// From rules to verdicts, with the meaning runc 1.1 and libseccomp 2.5 give a filter; where theirs
// depends on the order of a tree, the stricter answer. docs/seccomp.md lists every point.
#include <linux/audit.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "base/text.h"
#include "kernel/seccomp_numbers.h"
#include "kernel/seccomp_plan.h"
#include "kernel/seccomp_watch.h"

namespace gabion::kernel::seccomp {
namespace {

constexpr uint32_t kUnknownCall = SECCOMP_RET_ERRNO | ENOSYS;
constexpr uint32_t kDirect = 0;
constexpr uint32_t kNoUse = UINT32_MAX;
// Each needs an instruction at least: more cannot fit, and interning them would be slow.
constexpr size_t kMaxVerdicts = BPF_MAXINSNS;
constexpr Abi kAbis[] = {Abi::kNative, Abi::kCompat, Abi::kX32};

// A rule that names a call; a call's uses are a list, first rule first.
struct Use {
  uint32_t rule = 0;
  uint32_t next = kNoUse;
};

// The kernel's own order of precedence among filters (seccomp(2)): KILL_PROCESS is negative.
bool stricter(const Branch& left, const Branch& right) {
  return static_cast<int32_t>(left.action) < static_cast<int32_t>(right.action);
}

bool always_holds(const Condition& condition, bool narrow) {
  if (condition.compare != Compare::kMaskedEqual) return false;
  return narrow ? static_cast<uint32_t>(condition.value) == 0 : condition.value == 0;
}

bool names_an_argument_twice(const std::vector<Condition>& conditions) {
  uint32_t seen = 0;
  for (const Condition& condition : conditions) {
    if ((seen & (1U << condition.index)) != 0) return true;
    seen |= 1U << condition.index;
  }
  return false;
}

class Compiler {
 public:
  Compiler(const Filter& filter, const Watch* watch)
      : filter_(filter), watch_(watch), uses_of_(syscall_count(), kNoUse) {}

  Result<Program> run() {
    TRY(check());
    choose_conventions();
    find_uses();
    plan_.bad_arch_action = filter_.bad_arch_action;
    Defaults defaults;
    defaults.known = plan_.intern({filter_.default_action, {}, false});
    defaults.bad_arch = plan_.intern({filter_.bad_arch_action, {}, false});
    defaults.unknown = plan_.intern({kUnknownCall, {}, false});
    defaults.enosys = filter_.enosys_for_unknown;
    for (const Abi abi : kAbis) {
      if (calls(abi).wanted) TRY(decide(abi));
    }
    plan_.architectures.push_back(
        {audit_arch(Abi::kNative), native_spans(calls(Abi::kNative), calls(Abi::kX32), defaults)});
    if (calls(Abi::kCompat).wanted) {
      plan_.architectures.push_back({audit_arch(Abi::kCompat), compat_spans(calls(Abi::kCompat), defaults)});
    }
    return emit(plan_);
  }

 private:
  Calls& calls(Abi abi) { return calls_[static_cast<size_t>(abi)]; }

  Status check() const {
    for (const Rule& rule : filter_.rules) {
      for (const Condition& condition : rule.conditions) {
        if (condition.index <= 5) continue;
        return make_error(Code::kInvalid,
                          concat({"seccomp: a rule for ", rule.names.empty() ? "no call" : rule.names.front(),
                                  " tests argument ", std::to_string(condition.index),
                                  ": a system call has arguments 0 to 5"}));
      }
    }
    return ok_status();
  }

  // The native convention is always filtered, as libseccomp does. An architecture this kernel cannot
  // run never reaches the filter: its rules need no code.
  void choose_conventions() {
    calls(Abi::kNative).wanted = true;
    for (const uint32_t arch : filter_.architectures) {
      if (arch == kArchX32) {
#if defined(__x86_64__)
        calls(Abi::kX32).wanted = true;
#endif
      } else if (arch == audit_arch(Abi::kCompat)) {
        calls(Abi::kCompat).wanted = true;
      }
    }
  }

  // From the last rule to the first, each put in front: lists come out in the rules' order.
  void find_uses() {
    for (size_t i = filter_.rules.size(); i-- > 0;) {
      const Rule& rule = filter_.rules[i];
      // A rule that says what the default says is dropped whole: it does not outrank a laxer one.
      const bool redundant = rule.action == filter_.default_action;
      for (const std::string& name : rule.names) {
        const std::optional<size_t> row = find_syscall(name);
        if (!row) continue;
        note_number(syscall_at(*row));
        if (redundant) continue;
        uses_.push_back({static_cast<uint32_t>(i), uses_of_[*row]});
        uses_of_[*row] = static_cast<uint32_t>(uses_.size() - 1);
      }
    }
  }

  void note_number(const Syscall& call) {
    for (const Abi abi : kAbis) {
      const uint32_t number = call.number(abi);
      // runc asks libseccomp, which gives no number for a call that i386 can reach in two ways.
      const bool hidden = abi == Abi::kCompat && call.multiplexed();
      if (number != kNoNumber && !hidden) calls(abi).last = std::max(calls(abi).last, number);
    }
  }

  Status decide(Abi abi) {
    const size_t no_row = syscall_count();
    const bool compat = abi == Abi::kCompat;
    const size_t socketcall = compat ? find_syscall("socketcall").value_or(no_row) : no_row;
    const size_t ipc = compat ? find_syscall("ipc").value_or(no_row) : no_row;
    std::vector<std::pair<uint32_t, uint32_t>>& verdicts = calls(abi).verdicts;
    verdicts.reserve(uses_.size() + 2);
    for (const size_t row : rows_by_number(abi)) {
      const uint32_t number = syscall_at(row).number(abi);
      const WatchedCall* watched =
          watch_ != nullptr && abi == Abi::kNative ? find_watched(*watch_, number) : nullptr;
      if (watched != nullptr) {
        verdicts.emplace_back(number, plan_.intern(leave_to(watched->verdict, own_verdict(row, number))));
      } else if (beyond(abi, number)) {
        continue;  // of the multiplexed ones, which runc answers with ENOSYS too
      } else if (row == socketcall || row == ipc) {
        verdicts.emplace_back(number, plan_.intern(verdict_of(row, abi, branches_through(row == ipc))));
      } else if (uses_of_[row] != kNoUse) {
        verdicts.emplace_back(number, verdict_of(row, abi));
      }
      if (plan_.verdicts.size() > kMaxVerdicts) {
        return make_error(Code::kInvalid,
                          "seccomp: the filter has more argument conditions than a BPF program can hold");
      }
    }
    return ok_status();
  }

  // A native call's, whether or not a rule names it.
  Verdict own_verdict(size_t row, uint32_t number) {
    if (uses_of_[row] != kNoUse) return plan_.verdicts[verdict_of(row, Abi::kNative)];
    return {beyond(Abi::kNative, number) ? kUnknownCall : filter_.default_action, {}, false};
  }

  // Larger than every number the filter names, where those get ENOSYS.
  [[nodiscard]] bool beyond(Abi abi, uint32_t number) const {
    const uint32_t last = calls_[static_cast<size_t>(abi)].last;
    return filter_.enosys_for_unknown && last != 0 && number > last;
  }

  // socketcall(2) and ipc(2) get the rules of every call they reach, told apart by the code.
  [[nodiscard]] std::vector<Branch> branches_through(bool ipc) const {
    std::vector<Branch> branches;
    for (size_t row = 0; row < syscall_count(); ++row) {
      const uint32_t code = ipc ? syscall_at(row).ipc_code : syscall_at(row).socketcall_code;
      if (code == 0) continue;
      for (uint32_t use = uses_of_[row]; use != kNoUse; use = uses_[use].next) {
        add_branches(filter_.rules[uses_[use].rule], code, true, branches);
      }
    }
    return branches;
  }

  // Nearly every call has one rule without conditions.
  uint32_t verdict_of(size_t row, Abi abi) {
    const Rule& first = filter_.rules[uses_[uses_of_[row]].rule];
    if (!first.conditions.empty()) return plan_.intern(verdict_of(row, abi, {}));
    if (plan_.verdicts[plain_].action != first.action || !plan_.verdicts[plain_].branches.empty()) {
      plain_ = plan_.intern({first.action, {}, false});
    }
    return plain_;
  }

  // An unconditional rule outranks every conditional one, and the first unconditional one the rest.
  // Of the conditional ones that hold the strictest decides.
  [[nodiscard]] Verdict verdict_of(size_t row, Abi abi, std::vector<Branch> branches) const {
    const bool narrow = abi != Abi::kNative;
    for (uint32_t use = uses_of_[row]; use != kNoUse; use = uses_[use].next) {
      const Rule& rule = filter_.rules[uses_[use].rule];
      if (rule.conditions.empty()) return {rule.action, {}, false};
      const size_t known = branches.size();
      add_branches(rule, kDirect, narrow, branches);
      for (size_t added = known; added < branches.size(); ++added) {
        if (branches[added].conditions.empty()) return {rule.action, {}, false};
      }
    }
    std::stable_sort(branches.begin(), branches.end(), stricter);
    if (branches.empty()) return {filter_.default_action, {}, false};
    return {filter_.default_action, std::move(branches), narrow};
  }

  static void add_branches(const Rule& rule, uint32_t code, bool narrow, std::vector<Branch>& out) {
    if (!names_an_argument_twice(rule.conditions)) {
      add_branch(rule.conditions, rule.action, code, narrow, out);
      return;
    }
    // runc adds each condition as a rule of its own then, and so does crun: engines count on it.
    for (const Condition& condition : rule.conditions) {
      add_branch({condition}, rule.action, code, narrow, out);
    }
  }

  static void add_branch(const std::vector<Condition>& conditions, uint32_t action, uint32_t code,
                         bool narrow, std::vector<Branch>& out) {
    Branch branch{{}, action};
    // The first argument of socketcall(2) is the code; the call's own are in memory, out of reach.
    if (code != kDirect) branch.conditions.push_back({0, Compare::kEqual, code, 0});
    for (const Condition& condition : conditions) {
      const bool replaced = code != kDirect && condition.index == 0;
      if (!replaced && !always_holds(condition, narrow)) branch.conditions.push_back(condition);
    }
    out.push_back(std::move(branch));
  }

  const Filter& filter_;
  const Watch* watch_;
  std::vector<uint32_t> uses_of_;  // row → its first use
  std::vector<Use> uses_;
  Calls calls_[kAbiCount];
  Plan plan_;
  uint32_t plain_ = 0;  // the verdict used last that has no conditions
};

}  // namespace

Result<Program> compile(const Filter& filter, const Watch* watch) { return Compiler(filter, watch).run(); }

}  // namespace gabion::kernel::seccomp
