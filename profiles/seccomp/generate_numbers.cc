// Build tool: prints the table of system call numbers that sandbox/kernel/seccomp_numbers.cc reads,
// for the calling conventions of the machine it is compiled for.
//
// libseccomp resolves one name by a linear search of about 480; a filter of Docker's size asks 400
// names of three architectures, and that is most of its 12.9 ms. Asking it once, when gabion is
// built, leaves a hash table in read-only data without a relocation.
#include <seccomp.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernel/seccomp_numbers.h"

namespace {

using gabion::kernel::seccomp::kNoNumber;
using gabion::kernel::seccomp::kSlots;
using gabion::kernel::seccomp::slot_of;
constexpr int kColumns = gabion::kernel::seccomp::kAbiCount;

struct Entry {
  std::string name;
  uint32_t numbers[kColumns] = {kNoNumber, kNoNumber, kNoNumber};
  int socketcall_code = 0;
  int ipc_code = 0;
};

Entry& entry_for(std::vector<Entry>& entries, const std::string& name) {
  for (Entry& entry : entries) {
    if (entry.name == name) return entry;
  }
  entries.emplace_back().name = name;
  return entries.back();
}

void add(std::vector<Entry>& entries, int column, uint32_t arch, uint32_t first, uint32_t last) {
  for (uint32_t number = first; number <= last; ++number) {
    char* name = seccomp_syscall_resolve_num_arch(arch, static_cast<int>(number));
    if (name == nullptr) continue;
    entry_for(entries, name).numbers[column] = number;
    free(name);
  }
}

// Calls newer than libseccomp 2.5.4 (Linux 5.17). Since 5.0 a new call has one number everywhere;
// a filter that names one means it, whichever library its engine's runtime was linked with.
struct Newer {
  const char* name;
  uint32_t number;
};
constexpr Newer kNewer[] = {
    {"cachestat", 451},         {"fchmodat2", 452},         {"map_shadow_stack", 453}, {"futex_wake", 454},
    {"futex_wait", 455},        {"futex_requeue", 456},     {"statmount", 457},        {"listmount", 458},
    {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},        {"listxattrat", 465},      {"removexattrat", 466},
    {"open_tree_attr", 467},    {"file_getattr", 468},      {"file_setattr", 469},
};

#if defined(__x86_64__)
using gabion::kernel::seccomp::kX32Bit;
#endif

void add_newer(std::vector<Entry>& entries) {
  for (const Newer& call : kNewer) {
    Entry& entry = entry_for(entries, call.name);
    if (entry.numbers[0] != kNoNumber) continue;  // this libseccomp knows it
    entry.numbers[0] = call.number;
    entry.numbers[1] = call.number;
#if defined(__x86_64__)
    // Shadow stacks are a feature of 64-bit pointers: syscall_64.tbl has no x32 entry.
    if (call.number != 453) entry.numbers[2] = kX32Bit | call.number;
#endif
  }
#if defined(__x86_64__)
  entry_for(entries, "uretprobe").numbers[0] = 335;
  entry_for(entries, "uprobe").numbers[0] = 336;
#endif
}

#if defined(__x86_64__)
// libseccomp's pseudo numbers for i386 carry the code: -101 is socketcall 1, -221 is ipc 21.
void add_codes(std::vector<Entry>& entries) {
  for (Entry& entry : entries) {
    const int number = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, entry.name.c_str());
    if (number < -100 && number > -200) entry.socketcall_code = -number - 100;
    if (number < -200 && number > -300) entry.ipc_code = -number - 200;
  }
}
#endif

void print_slots(const std::vector<Entry>& entries) {
  std::vector<size_t> slots(kSlots, 0);
  for (size_t row = 0; row < entries.size(); ++row) {
    size_t slot = slot_of(entries[row].name);
    while (slots[slot] != 0) slot = (slot + 1) % kSlots;
    slots[slot] = row + 1;
  }
  printf("extern const uint16_t kSyscallSlots[kSlots] = {\n");
  for (const size_t slot : slots) printf("%zu,\n", slot);
  printf("};\n");
}

void print_orders(const std::vector<Entry>& entries) {
  size_t counts[kColumns] = {};
  printf("extern const uint16_t kRowsByNumber[] = {\n");
  for (int column = 0; column < kColumns; ++column) {
    std::vector<std::pair<uint32_t, size_t>> order;
    for (size_t row = 0; row < entries.size(); ++row) {
      if (entries[row].numbers[column] != kNoNumber) order.emplace_back(entries[row].numbers[column], row);
    }
    std::sort(order.begin(), order.end());
    for (const auto& [number, row] : order) printf("%zu,\n", row);
    counts[column] = order.size();
  }
  printf("};\nextern const uint16_t kRowsByNumberCounts[kAbiCount] = {%zu, %zu, %zu};\n", counts[0],
         counts[1], counts[2]);
}

}  // namespace

int main() {
  std::vector<Entry> entries;
#if defined(__x86_64__)
  add(entries, 0, SCMP_ARCH_X86_64, 0, 1023);
  add(entries, 1, SCMP_ARCH_X86, 0, 1023);
  add(entries, 2, SCMP_ARCH_X32, kX32Bit, kX32Bit + 1023);
#elif defined(__aarch64__)
  add(entries, 0, SCMP_ARCH_AARCH64, 0, 1023);
  add(entries, 1, SCMP_ARCH_ARM, 0, 1023);
  add(entries, 1, SCMP_ARCH_ARM, 0xf0000, 0xf00ff);  // the private calls: cacheflush, set_tls
#else
#error "seccomp filters are ported to x86_64 and aarch64 only"
#endif
  add_newer(entries);
#if defined(__x86_64__)
  add_codes(entries);
#endif
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });

  printf("// Generated by profiles/seccomp/generate_numbers.cc.\n#include \"kernel/seccomp_numbers.h\"\n\n");
  printf("namespace gabion::kernel::seccomp {\n\nextern const char kSyscallNames[] =\n");
  for (const Entry& entry : entries) printf("    \"%s\"\n", entry.name.c_str());
  printf("    ;\n\nextern const Syscall kSyscalls[] = {\n");
  size_t offset = 0;
  for (const Entry& entry : entries) {
    printf("    {%zu, %zu, %d, %d, {0x%xU, 0x%xU, 0x%xU}},\n", offset, entry.name.size(),
           entry.socketcall_code, entry.ipc_code, entry.numbers[0], entry.numbers[1], entry.numbers[2]);
    offset += entry.name.size();
  }
  printf("};\nextern const uint16_t kSyscallCount = %zu;\n\n", entries.size());
  print_slots(entries);
  print_orders(entries);
  printf("\n}  // namespace gabion::kernel::seccomp\n");
  return entries.size() > 300 && entries.size() < kSlots / 2 && offset < UINT16_MAX ? 0 : 1;
}
