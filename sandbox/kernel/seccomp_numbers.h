// System call numbers by name, for the calling conventions this machine's kernel serves. A filter
// never sees a call of any other, so rules for foreign architectures need no numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace gabion::kernel::seccomp {

// kNative: x86_64 or aarch64; kCompat: i386 or arm; kX32: x86_64 only.
enum class Abi { kNative, kCompat, kX32 };
inline constexpr size_t kAbiCount = 3;
inline constexpr uint32_t kNoNumber = UINT32_MAX;
inline constexpr uint32_t kX32Bit = 0x40000000U;

// A row of the table generated at build time (profiles/seccomp/generate_numbers.cc).
struct Syscall {
  uint16_t name_offset;
  uint8_t name_length;
  // i386 reaches the socket and System V IPC calls through socketcall(2) and ipc(2) too, with this
  // first argument. 0: not so.
  uint8_t socketcall_code;
  uint8_t ipc_code;
  uint32_t numbers[kAbiCount];  // kNoNumber: not a call of that convention. x32: with kX32Bit

  [[nodiscard]] uint32_t number(Abi abi) const { return numbers[static_cast<size_t>(abi)]; }
  [[nodiscard]] bool multiplexed() const { return socketcall_code != 0 || ipc_code != 0; }
};

// Rows are known by their index, 0 to syscall_count() - 1, in the order of their names.
size_t syscall_count();
const Syscall& syscall_at(size_t row);
std::string_view syscall_name(const Syscall& call);
// nullopt: no convention of this machine has the call.
std::optional<size_t> find_syscall(std::string_view name);
// The rows of a convention's calls, by ascending number.
std::span<const uint16_t> rows_by_number(Abi abi);

// FNV-1a: places a name in the generated table's slots.
inline constexpr size_t kSlots = 2048;
constexpr size_t slot_of(std::string_view name) {
  uint32_t hash = 2166136261U;
  for (const char letter : name) hash = (hash ^ static_cast<uint8_t>(letter)) * 16777619U;
  return (hash ^ hash >> 15) % kSlots;
}

// AUDIT_ARCH_* of a convention; kX32 has kNative's.
uint32_t audit_arch(Abi abi);

}  // namespace gabion::kernel::seccomp
