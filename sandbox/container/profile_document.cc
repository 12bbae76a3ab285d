#include "container/profile_document.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/json.h"
#include "kernel/seccomp_numbers.h"

namespace gabion::container {
namespace {

using kernel::seccomp::Abi;

constexpr std::string_view kAlways[] = {
    // gabion's own way from this filter to the program: the filters after it, the descriptor of one that has
    // a
    // listener, an error that must be told, and the program. seccomp(2) only ever takes rights away.
    "close",
    "execve",
    "seccomp",
    "sendmsg",
    // The end of every process, thread and signal handler. A recording ended by SIGKILL has not seen it.
    "exit",
    "exit_group",
    "rt_sigreturn",
    // Answered without the kernel's help (vdso(7)) where its clock can be read so; on another machine, or
    // after
    // the clock source has been found unstable, the same program makes them.
    "clock_getres",
    "clock_gettime",
    "getcpu",
    "gettimeofday",
    "time",
    // The kernel's own name for going on with a sleep that SIGSTOP and SIGCONT have interrupted.
    "restart_syscall",
};

constexpr const char* kArchitecture =
#if defined(__aarch64__)
    "SCMP_ARCH_AARCH64";
#else
    "SCMP_ARCH_X86_64";
#endif

}  // namespace

std::vector<std::string_view> always_allowed() {
  std::vector<std::string_view> names(std::begin(kAlways), std::end(kAlways));
  std::sort(names.begin(), names.end());
  return names;
}

std::string profile_document(const CallSet& calls) {
  std::set<std::string_view> names(std::begin(kAlways), std::end(kAlways));
  for (const uint16_t row : kernel::seccomp::rows_by_number(Abi::kNative)) {
    const kernel::seccomp::Syscall& call = kernel::seccomp::syscall_at(row);
    const uint32_t number = call.number(Abi::kNative);
    if (number >= kCallNumbers || !calls[number]) continue;
    names.insert(kernel::seccomp::syscall_name(call));
  }
  // Only keys of the runtime specification: a reader may refuse others, as gabion's own does, and Docker
  // takes comments nowhere but in a rule.
  json::Value list = json::Value::array();
  for (const std::string_view name : names) list.push(json::Value::string(std::string(name)));
  json::Value rule = json::Value::object();
  rule.set("names", std::move(list));
  rule.set("action", json::Value::string("SCMP_ACT_ALLOW"));
  json::Value rules = json::Value::array();
  rules.push(std::move(rule));
  json::Value architectures = json::Value::array();
  architectures.push(json::Value::string(kArchitecture));
  json::Value document = json::Value::object();
  document.set("defaultAction", json::Value::string("SCMP_ACT_ERRNO"));
  document.set("defaultErrnoRet", json::Value::integer(EPERM));
  document.set("architectures", std::move(architectures));
  document.set("syscalls", std::move(rules));
  return json::write(document, json::Style::kIndented) + "\n";
}

std::vector<size_t> calls_without_name(const CallSet& calls) {
  CallSet unnamed = calls;
  for (const uint16_t row : kernel::seccomp::rows_by_number(Abi::kNative)) {
    const uint32_t number = kernel::seccomp::syscall_at(row).number(Abi::kNative);
    if (number < kCallNumbers) unnamed[number] = false;
  }
  std::vector<size_t> numbers;
  for (size_t number = 0; number < kCallNumbers; ++number) {
    if (unnamed[number]) numbers.push_back(number);
  }
  return numbers;
}

}  // namespace gabion::container
