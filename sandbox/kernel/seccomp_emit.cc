// From verdicts to classic BPF.
//
// BPF jumps go forward only, so the program is built from its end: a target is always already there
// and its distance known. A conditional jump reaches 255 instructions; a farther target gets an
// unconditional jump (32 bits) beside it.
#include <linux/bpf_common.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <string>
#include <utility>

#include "base/text.h"
#include "kernel/seccomp_plan.h"

namespace gabion::kernel::seccomp {
namespace {

static_assert(std::endian::native == std::endian::little, "argument words are laid out low word first");

constexpr size_t kMaxInstructions = BPF_MAXINSNS;
// Two jumps may be inserted between a target and the instruction that wants it.
constexpr size_t kReach = 253;
constexpr uint64_t kAllBits = UINT64_MAX;

// An instruction's place, counted from the end of the program.
using Label = size_t;

uint32_t low(uint64_t value) { return static_cast<uint32_t>(value); }
uint32_t high(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

// Equality under a mask: what kEqual and kMaskedEqual both are. libseccomp masks the wanted value
// too, so (mask 0xf0, value 0xff) asks for 0xf0.
struct Equality {
  uint64_t mask = 0;
  uint64_t value = 0;
};

bool is_equality(const Condition& condition) {
  return condition.compare == Compare::kEqual || condition.compare == Compare::kMaskedEqual;
}

Equality equality_of(const Condition& condition, bool narrow) {
  Equality result{kAllBits, condition.value};
  if (condition.compare == Compare::kMaskedEqual) {
    result = {condition.value, condition.value & condition.value_two};
  }
  if (narrow) result = {low(result.mask), low(result.value)};
  return result;
}

class Emitter {
 public:
  explicit Emitter(const Plan& plan) : plan_(plan), verdicts_(plan.verdicts.size(), kNoLabel) {}

  Result<Program> run() {
    std::vector<Label> entries;
    for (const ArchitecturePlan& architecture : plan_.architectures) {
      const Label top = tree(architecture.spans, 0, architecture.spans.size());
      entries.push_back(load(offsetof(seccomp_data, nr), top));
    }
    Label next = ret(plan_.bad_arch_action);
    for (size_t i = plan_.architectures.size(); i-- > 0;) {
      next = jump(BPF_JEQ, plan_.architectures[i].audit_arch, entries[i], next);
    }
    load(offsetof(seccomp_data, arch), next);
    if (reversed_.size() > kMaxInstructions) {
      return make_error(Code::kInvalid,
                        concat({"seccomp: the filter needs ", std::to_string(reversed_.size()),
                                " instructions and the kernel takes ", std::to_string(kMaxInstructions),
                                ": name fewer argument conditions"}));
    }
    std::reverse(reversed_.begin(), reversed_.end());
    return std::move(reversed_);
  }

 private:
  static constexpr Label kNoLabel = SIZE_MAX;

  Label push(uint16_t code, uint32_t k, uint8_t when_true = 0, uint8_t when_false = 0) {
    // A hostile filter must not grow the program without bound before it is refused.
    if (reversed_.size() <= 2 * kMaxInstructions) {
      reversed_.push_back(sock_filter{code, when_true, when_false, k});
    }
    return reversed_.size() - 1;
  }

  [[nodiscard]] size_t distance(Label target) const { return reversed_.size() - target - 1; }
  [[nodiscard]] bool full() const { return reversed_.size() > kMaxInstructions; }

  Label near(Label target) {
    if (distance(target) <= kReach) return target;
    return push(BPF_JMP | BPF_JA, static_cast<uint32_t>(distance(target)));
  }

  Label jump(uint16_t operation, uint32_t k, Label when_true, Label when_false) {
    if (when_true == when_false) return when_true;
    when_true = near(when_true);
    when_false = near(when_false);
    return push(BPF_JMP | BPF_K | operation, k, static_cast<uint8_t>(distance(when_true)),
                static_cast<uint8_t>(distance(when_false)));
  }

  // Falls through to the instruction emitted last, or jumps when `next` is another.
  Label load(size_t offset, Label next) {
    follow(next);
    return push(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
  }

  void follow(Label next) {
    if (distance(next) != 0) push(BPF_JMP | BPF_JA, static_cast<uint32_t>(distance(next)));
  }

  // A return costs what the jump to it costs, so one is repeated rather than reached by two jumps.
  Label ret(uint32_t action) {
    for (auto& [known, label] : returns_) {
      if (known != action) continue;
      if (distance(label) > kReach) label = push(BPF_RET | BPF_K, action);
      return label;
    }
    returns_.emplace_back(action, push(BPF_RET | BPF_K, action));
    return returns_.back().second;
  }

  Label leaf(uint32_t index) {
    const Verdict& verdict = plan_.verdicts[index];
    if (verdict.branches.empty()) return ret(verdict.action);
    if (verdicts_[index] == kNoLabel) verdicts_[index] = checks(verdict);
    return verdicts_[index];
  }

  // Spans [begin, end) as a balanced tree on the number, which the accumulator holds.
  Label tree(const std::vector<Span>& spans, size_t begin, size_t end) {
    if (end - begin == 1) return leaf(spans[begin].verdict);
    if (full()) return ret(plan_.bad_arch_action);
    // One number inside another verdict's span: a single test.
    if (end - begin == 3 && spans[begin].verdict == spans[begin + 2].verdict &&
        spans[begin + 1].first + 1 == spans[begin + 2].first) {
      const Label inside = leaf(spans[begin + 1].verdict);
      return jump(BPF_JEQ, spans[begin + 1].first, inside, leaf(spans[begin].verdict));
    }
    const size_t middle = begin + (end - begin) / 2;
    // Leaves last, so that a return is near enough to be shared.
    if (end - middle == 1) {
      const Label left = tree(spans, begin, middle);
      return jump(BPF_JGE, spans[middle].first, leaf(spans[middle].verdict), left);
    }
    const Label right = tree(spans, middle, end);
    return jump(BPF_JGE, spans[middle].first, right, tree(spans, begin, middle));
  }

  Label checks(const Verdict& verdict) {
    const std::vector<Branch>& branches = verdict.branches;
    Label next = ret(verdict.action);
    size_t end = branches.size();
    while (end > 0 && !full()) {
      size_t begin = end - 1;
      while (begin > 0 && same_word(branches[begin - 1], branches[end - 1], verdict.narrow)) --begin;
      next = end - begin > 1 ? alternatives(branches, begin, end, verdict.narrow, next)
                             : all_of(branches[begin], verdict.narrow, next);
      end = begin;
    }
    return next;
  }

  // Two branches that test one argument for equality and differ in the low word alone.
  static bool same_word(const Branch& left, const Branch& right, bool narrow) {
    if (left.conditions.size() != 1 || right.conditions.size() != 1) return false;
    const Condition& a = left.conditions[0];
    const Condition& b = right.conditions[0];
    if (a.index != b.index || !is_equality(a) || !is_equality(b)) return false;
    const Equality x = equality_of(a, narrow);
    const Equality y = equality_of(b, narrow);
    return x.mask == y.mask && high(x.value) == high(y.value) && low(x.mask) != 0;
  }

  Label alternatives(const std::vector<Branch>& branches, size_t begin, size_t end, bool narrow, Label fail) {
    Label next = fail;
    for (size_t i = end; i-- > begin;) {
      const Equality wanted = equality_of(branches[i].conditions[0], narrow);
      const Label match = ret(branches[i].action);
      next = jump(BPF_JEQ, low(wanted.value), match, next);
    }
    const uint32_t index = branches[begin].conditions[0].index;
    const Equality wanted = equality_of(branches[begin].conditions[0], narrow);
    next = load_low(index, low(wanted.mask), next);
    return high_equal(index, wanted, next, fail);
  }

  Label all_of(const Branch& branch, bool narrow, Label fail) {
    Label match = ret(branch.action);
    for (size_t i = branch.conditions.size(); i-- > 0;) {
      match = test(branch.conditions[i], narrow, match, fail);
    }
    return match;
  }

  Label load_word(size_t offset, uint32_t mask, Label next) {
    if (mask == UINT32_MAX) return load(offset, next);
    follow(next);
    const Label masked = push(BPF_ALU | BPF_K | BPF_AND, mask);
    return load(offset, masked);
  }
  Label load_low(uint32_t index, uint32_t mask, Label next) {
    return load_word(offsetof(seccomp_data, args) + size_t{8} * index, mask, next);
  }
  Label load_high(uint32_t index, uint32_t mask, Label next) {
    return load_word(offsetof(seccomp_data, args) + size_t{8} * index + 4, mask, next);
  }

  Label high_equal(uint32_t index, const Equality& wanted, Label match, Label fail) {
    if (high(wanted.mask) == 0) return match;
    return load_high(index, high(wanted.mask), jump(BPF_JEQ, high(wanted.value), match, fail));
  }

  Label equal(uint32_t index, const Equality& wanted, Label match, Label fail) {
    if (low(wanted.mask) != 0) {
      match = load_low(index, low(wanted.mask), jump(BPF_JEQ, low(wanted.value), match, fail));
    }
    return high_equal(index, wanted, match, fail);
  }

  // value > wanted, or >= when `operation` is BPF_JGE: by the high word, and by the low one where
  // the high words are equal.
  Label above(uint32_t index, uint16_t operation, uint64_t wanted, bool narrow, Label match, Label fail) {
    const Label by_low = load_low(index, UINT32_MAX, jump(operation, low(wanted), match, fail));
    if (narrow) return by_low;
    const Label same = jump(BPF_JEQ, high(wanted), by_low, fail);
    return load_high(index, UINT32_MAX, jump(BPF_JGT, high(wanted), match, same));
  }

  Label test(const Condition& condition, bool narrow, Label match, Label fail) {
    const uint32_t index = condition.index;
    const uint64_t value = condition.value;
    switch (condition.compare) {
      case Compare::kEqual:
      case Compare::kMaskedEqual:
        return equal(index, equality_of(condition, narrow), match, fail);
      case Compare::kNotEqual: {
        const Equality wanted = narrow ? Equality{UINT32_MAX, low(value)} : Equality{kAllBits, value};
        return equal(index, wanted, fail, match);
      }
      case Compare::kGreater:
        return above(index, BPF_JGT, value, narrow, match, fail);
      case Compare::kGreaterEqual:
        return above(index, BPF_JGE, value, narrow, match, fail);
      case Compare::kLess:
        return above(index, BPF_JGE, value, narrow, fail, match);
      case Compare::kLessEqual:
        return above(index, BPF_JGT, value, narrow, fail, match);
    }
    return fail;
  }

  const Plan& plan_;
  Program reversed_;
  std::vector<std::pair<uint32_t, Label>> returns_;  // action → its latest return
  std::vector<Label> verdicts_;                      // per verdict: its argument checks
};

}  // namespace

Result<Program> emit(const Plan& plan) { return Emitter(plan).run(); }

}  // namespace gabion::kernel::seccomp
