#include "kernel/seccomp_plan.h"

#include <algorithm>

#include "kernel/seccomp_numbers.h"

namespace gabion::kernel::seccomp {
namespace {

// Numbers from `first` on get `verdict`. `first` ascends; of two calls with one, the last wins.
void fill_from(std::vector<Span>& spans, uint32_t first, uint32_t verdict) {
  if (!spans.empty() && spans.back().first == first) spans.pop_back();
  if (spans.empty() || spans.back().verdict != verdict) spans.push_back({first, verdict});
}

void add_calls(std::vector<Span>& spans, uint32_t first, const Calls& calls, const Defaults& defaults) {
  const bool bounded = defaults.enosys && calls.last != 0;
  fill_from(spans, first, defaults.known);
  bool beyond = false;
  for (const auto& [number, verdict] : calls.verdicts) {
    if (bounded && !beyond && number > calls.last) {
      beyond = true;
      fill_from(spans, calls.last + 1, defaults.unknown);
    }
    fill_from(spans, number, verdict);
    fill_from(spans, number + 1, beyond ? defaults.unknown : defaults.known);
  }
  if (bounded && !beyond) fill_from(spans, calls.last + 1, defaults.unknown);
}

}  // namespace

uint32_t Plan::intern(Verdict verdict) {
  const auto known = std::find(verdicts.begin(), verdicts.end(), verdict);
  if (known != verdicts.end()) return static_cast<uint32_t>(known - verdicts.begin());
  verdicts.push_back(std::move(verdict));
  return static_cast<uint32_t>(verdicts.size() - 1);
}

std::vector<Span> native_spans(const Calls& native, const Calls& x32, const Defaults& defaults) {
  std::vector<Span> spans;
  add_calls(spans, 0, native, defaults);
#if defined(__x86_64__)
  // x32 shares the architecture and is told apart by bit 30 of the number. With bit 30 clear and bit
  // 31 set a number belongs to neither.
  const bool native_bounded = defaults.enosys && native.last != 0;
  if (x32.wanted) {
    const bool x32_bounded = defaults.enosys && x32.last != 0;
    add_calls(spans, kX32Bit, x32, defaults);
    fill_from(spans, 2 * kX32Bit, native_bounded ? defaults.unknown : defaults.known);
    fill_from(spans, 3 * kX32Bit, x32_bounded ? defaults.unknown : defaults.known);
  } else {
    fill_from(spans, kX32Bit, defaults.bad_arch);
    fill_from(spans, 2 * kX32Bit, native_bounded ? defaults.unknown : defaults.bad_arch);
    fill_from(spans, 3 * kX32Bit, defaults.bad_arch);
    // -1 is how a tracer skips a call; the kernel runs the filter again after the tracer (4.8).
    fill_from(spans, UINT32_MAX, defaults.known);
  }
#else
  (void)x32;
#endif
  return spans;
}

std::vector<Span> compat_spans(const Calls& compat, const Defaults& defaults) {
  std::vector<Span> spans;
  add_calls(spans, 0, compat, defaults);
  return spans;
}

}  // namespace gabion::kernel::seccomp
