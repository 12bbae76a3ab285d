#include "tests/unit/kernel/bpf_evaluator.h"

#include <linux/bpf_common.h>

#include <cstring>

namespace gabion::kernel::seccomp::test {
namespace {

struct Run {
  std::optional<uint32_t> action;
  size_t steps = 0;
};

Run run(const std::vector<sock_filter>& program, const seccomp_data& call) {
  uint32_t accumulator = 0;
  size_t steps = 0;
  size_t at = 0;
  while (at < program.size()) {
    const sock_filter& now = program[at];
    ++steps;
    ++at;
    bool taken = false;
    switch (now.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (now.k > sizeof(call) - 4 || now.k % 4 != 0) return {};
        memcpy(&accumulator, reinterpret_cast<const char*>(&call) + now.k, 4);
        continue;
      case BPF_ALU | BPF_K | BPF_AND:
        accumulator &= now.k;
        continue;
      case BPF_JMP | BPF_JA:
        at += now.k;
        continue;
      case BPF_RET | BPF_K:
        return {now.k, steps};
      case BPF_JMP | BPF_K | BPF_JEQ:
        taken = accumulator == now.k;
        break;
      case BPF_JMP | BPF_K | BPF_JGT:
        taken = accumulator > now.k;
        break;
      case BPF_JMP | BPF_K | BPF_JGE:
        taken = accumulator >= now.k;
        break;
      case BPF_JMP | BPF_K | BPF_JSET:
        taken = (accumulator & now.k) != 0;
        break;
      default:
        return {};
    }
    at += taken ? now.jt : now.jf;
  }
  return {};
}

}  // namespace

std::optional<uint32_t> evaluate(const std::vector<sock_filter>& program, const seccomp_data& call) {
  return run(program, call).action;
}

size_t path_length(const std::vector<sock_filter>& program, const seccomp_data& call) {
  return run(program, call).steps;
}

}  // namespace gabion::kernel::seccomp::test
