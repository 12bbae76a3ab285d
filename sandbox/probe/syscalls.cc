// Every number of every calling convention, and the calls whose arguments make them dangerous.
#include <asm/ioctls.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/text.h"
#include "kernel/seccomp_numbers.h"
#include "probe/calls.h"
#include "probe/check.h"
#include "probe/child.h"

namespace gabion::probe {
namespace {

namespace seccomp = kernel::seccomp;

// Past the last known call: what a newer kernel may have there must not be reached either.
constexpr uint32_t kBeyond = 64;

struct Family {
  std::string_view name;
  int weight;
  std::vector<std::string_view> calls;
};

// By what they are good for. fsopen(2) and its kin are the mount API that old filters forget.
const std::vector<Family>& dangerous_families() {
  static const std::vector<Family> kFamilies = {
      {"mount API",
       6,
       {"mount", "umount2", "pivot_root", "fsopen", "fsconfig", "fsmount", "fspick", "open_tree",
        "open_tree_attr", "move_mount", "mount_setattr"}},
      {"kernel modules", 6, {"init_module", "finit_module", "delete_module", "create_module"}},
      {"kexec and reboot", 4, {"kexec_load", "kexec_file_load", "reboot"}},
      {"bpf", 5, {"bpf"}},
      {"perf events", 4, {"perf_event_open"}},
      {"tracing other processes",
       3,
       {"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd"}},
      {"keyrings", 3, {"keyctl", "add_key", "request_key"}},
      {"userfaultfd", 3, {"userfaultfd"}},
      {"io_uring", 4, {"io_uring_setup", "io_uring_enter", "io_uring_register"}},
      {"files by handle", 4, {"open_by_handle_at"}},
      {"entering namespaces", 3, {"setns"}},
      {"swap, accounting, quota", 2, {"swapon", "swapoff", "acct", "quotactl", "quotactl_fd"}},
      {"setting the clock", 2, {"settimeofday", "clock_settime"}},  // adjtimex(2) also reads
      {"I/O ports", 2, {"iopl", "ioperm"}},
      {"the kernel's log", 1, {"syslog"}},
      {"NUMA of others", 1, {"move_pages", "migrate_pages"}},
      {"fanotify", 1, {"fanotify_init"}},
      {"kernel statistics", 1, {"lookup_dcookie", "uselib", "ustat", "sysfs", "_sysctl", "nfsservctl"}},
  };
  return kFamilies;
}

struct Argument {
  std::string_view name;
  int weight;
  Call call;
};

std::vector<Argument> dangerous_arguments() {
  constexpr uint64_t kHighBit = uint64_t{1} << 32;
  const auto native = [](long number, std::array<uint64_t, 6> arguments) {
    return Call{static_cast<uint32_t>(number), false, arguments};
  };
  return {
      {"clone with a new user namespace", 6, native(SYS_clone, {CLONE_NEWUSER | SIGCHLD})},
      {"clone3, whose flags no filter sees", 3, native(SYS_clone3, {1, 88})},
      {"unshare of a user namespace", 6, native(SYS_unshare, {CLONE_NEWUSER})},
      {"unshare of a mount namespace", 4, native(SYS_unshare, {CLONE_NEWNS})},
      {"typing into a terminal (TIOCSTI)", 3, native(SYS_ioctl, {0, TIOCSTI})},
      {"TIOCSTI with bits above 32 (CVE-2019-10063)", 3, native(SYS_ioctl, {0, TIOCSTI | kHighBit})},
      {"pasting into a terminal (TIOCLINUX)", 2, native(SYS_ioctl, {0, TIOCLINUX})},
      {"line disciplines (TIOCSETD)", 2, native(SYS_ioctl, {0, TIOCSETD})},
      {"personality READ_IMPLIES_EXEC", 2, native(SYS_personality, {READ_IMPLIES_EXEC})},
      {"personality ADDR_NO_RANDOMIZE", 2, native(SYS_personality, {ADDR_NO_RANDOMIZE})},
      {"forging /proc/self/exe (PR_SET_MM)", 1, native(SYS_prctl, {PR_SET_MM, PR_SET_MM_EXE_FILE})},
      {"mknod of a device", 3, native(SYS_mknodat, {0, 0, S_IFCHR | 0600, 0x501})},
  };
}

std::vector<CallTable::Row> numbers_of(seccomp::Abi abi) {
  std::vector<CallTable::Row> rows;
  const std::span<const uint16_t> known = seccomp::rows_by_number(abi);
  if (known.empty()) return rows;
  const uint32_t base = abi == seccomp::Abi::kX32 ? seccomp::kX32Bit : 0;
  const uint32_t last = seccomp::syscall_at(known.back()).number(abi);
  rows.resize(last - base + 1 + kBeyond);
  for (uint32_t i = 0; i < rows.size(); ++i) rows[i].number = base + i;
  for (const uint16_t row : known) {
    const seccomp::Syscall& call = seccomp::syscall_at(row);
    rows[call.number(abi) - base].name = seccomp::syscall_name(call);
  }
  return rows;
}

void fill(CallTable& table, const std::vector<Answer>& answers) {
  for (size_t i = 0; i < table.rows.size(); ++i) {
    table.rows[i].reached = answers[i].kind == Answer::Kind::kReached;
    table.rows[i].error = answers[i].kind == Answer::Kind::kRefused ? answers[i].error : 0;
  }
}

size_t count_reached(const CallTable& table) {
  return static_cast<size_t>(std::count_if(table.rows.begin(), table.rows.end(),
                                           [](const CallTable::Row& row) { return row.reached; }));
}

void check_families(Checks& checks, const CallTable& native) {
  for (const Family& family : dangerous_families()) {
    Check check{
        .group = "system calls", .name = family.name, .weight = family.weight, .open = false, .detail = ""};
    for (const CallTable::Row& row : native.rows) {
      if (!row.reached || std::find(family.calls.begin(), family.calls.end(), row.name) == family.calls.end())
        continue;
      check.open = true;
      check.detail += concat({check.detail.empty() ? "" : " ", row.name});
    }
    checks.push_back(std::move(check));
  }
}

Check summary(const CallTable& table, std::string_view name, int weight, bool exists) {
  const size_t reached = count_reached(table);
  std::string numbers = concat(
      {std::to_string(reached), " of ", std::to_string(table.rows.size()), " numbers reach the kernel"});
  return {.group = "system calls",
          .name = name,
          .weight = weight,
          .open = exists && reached > 0,
          .detail = exists || reached == 0 ? std::move(numbers) : "the kernel has no such calls"};
}

}  // namespace

void probe_calls(Report& report) {
  CallTable native{.convention = "native", .rows = numbers_of(seccomp::Abi::kNative)};
  CallTable compat{.convention = "i386", .rows = numbers_of(seccomp::Abi::kCompat)};
  CallTable x32{.convention = "x32", .rows = numbers_of(seccomp::Abi::kX32)};
  const std::vector<Argument> arguments = dangerous_arguments();
  std::vector<Call> calls;
  for (const CallTable* table : {&native, &x32, &compat}) {
    for (const CallTable::Row& row : table->rows) calls.push_back({row.number, table == &compat, {}});
  }
  for (const Argument& argument : arguments) calls.push_back(argument.call);

  Result<std::vector<Answer>> tried_ones = try_calls(calls);
  if (!tried_ones.ok()) report.calls_unmeasured = tried_ones.error().message();
  const std::vector<Answer> answers =
      tried_ones.ok() ? std::move(tried_ones).value() : std::vector<Answer>(calls.size());
  const size_t first = report.checks.size();
  auto at = answers.begin();
  bool compat_exists = true;
  for (CallTable* table : {&native, &x32, &compat}) {
    const std::vector<Answer> own(at, at + static_cast<std::ptrdiff_t>(table->rows.size()));
    at += static_cast<std::ptrdiff_t>(own.size());
    fill(*table, own);
    if (table == &compat && !own.empty()) compat_exists = own[0].kind != Answer::Kind::kNoSuchConvention;
  }
  Checks& checks = report.checks;
  checks.push_back({"system calls", "measured", 10, false, summary(native, "", 0, true).detail});
  check_families(checks, native);
  for (const Argument& argument : arguments) {
    checks.push_back(
        {"system calls", argument.name, argument.weight, (at++)->kind == Answer::Kind::kReached, ""});
  }
  const auto unknown = std::count_if(native.rows.begin(), native.rows.end(), [](const CallTable::Row& row) {
    return row.reached && row.name.empty();
  });
  checks.push_back({"system calls", "numbers without a name", 2, unknown > 0,
                    concat({std::to_string(unknown), " reach the kernel"})});
  checks.push_back(summary(compat, "as an i386 program (int 0x80)", 5, compat_exists));
  // Asked for real: seccomp comes before the kernel notices that it has no such convention.
  const bool x32_exists = try_in_child([] { return ::syscall(seccomp::kX32Bit | SYS_getpid) > 0; }) == 0;
  checks.push_back(summary(x32, "as an x32 program", 3, x32_exists));
  if (report.calls_unmeasured.empty()) {
    report.calls = {std::move(native), std::move(x32), std::move(compat)};
    return;
  }
  for (size_t i = first; i < checks.size(); ++i) {
    checks[i].open = true;
    checks[i].detail = kNotMeasured;
  }
}

}  // namespace gabion::probe
