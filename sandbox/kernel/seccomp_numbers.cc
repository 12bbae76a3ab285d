#include "kernel/seccomp_numbers.h"

#include <linux/audit.h>

namespace gabion::kernel::seccomp {

// The generated file defines these.
extern const char kSyscallNames[];
extern const Syscall kSyscalls[];
extern const uint16_t kSyscallCount;
extern const uint16_t kSyscallSlots[kSlots];  // a row + 1, or 0; collisions go to the next slot
extern const uint16_t kRowsByNumber[];        // of each convention in turn
extern const uint16_t kRowsByNumberCounts[kAbiCount];

size_t syscall_count() { return kSyscallCount; }
const Syscall& syscall_at(size_t row) { return kSyscalls[row]; }
std::string_view syscall_name(const Syscall& call) {
  return {kSyscallNames + call.name_offset, call.name_length};
}

std::optional<size_t> find_syscall(std::string_view name) {
  for (size_t slot = slot_of(name);; slot = (slot + 1) % kSlots) {
    if (kSyscallSlots[slot] == 0) return std::nullopt;
    const size_t row = kSyscallSlots[slot] - size_t{1};
    if (syscall_name(kSyscalls[row]) == name) return row;
  }
}

std::span<const uint16_t> rows_by_number(Abi abi) {
  size_t start = 0;
  for (size_t i = 0; i < static_cast<size_t>(abi); ++i) start += kRowsByNumberCounts[i];
  return {kRowsByNumber + start, kRowsByNumberCounts[static_cast<size_t>(abi)]};
}

uint32_t audit_arch(Abi abi) {
#if defined(__x86_64__)
  return abi == Abi::kCompat ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
  return abi == Abi::kCompat ? AUDIT_ARCH_ARM : AUDIT_ARCH_AARCH64;
#endif
}

}  // namespace gabion::kernel::seccomp
