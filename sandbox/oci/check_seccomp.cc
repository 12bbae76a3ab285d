// The rules of `linux.seccomp`.
#include "oci/check_detail.h"
#include "oci/names.h"

namespace gabion::oci {

namespace {

using detail::at;
using detail::invalid;
using detail::is_absolute;
using detail::quoted;

constexpr std::string_view kPath = "linux.seccomp";
constexpr std::string_view kNotify = "SCMP_ACT_NOTIFY";

Status check_action(std::string_view path, const std::string& action,
                    const std::optional<uint32_t>& errno_ret) {
  if (!names::contains(names::kSeccompActions, action)) {
    return invalid(path, "string " + quoted(action) + " is not a valid action for seccomp");
  }
  if (!errno_ret) return ok_status();
  // seccomp(2): RET_TRACE carries sixteen bits; RET_ERRNO is capped at MAX_ERRNO, so a larger value
  // would be answered with another error than the one asked for.
  if (action == "SCMP_ACT_ERRNO" && *errno_ret <= 4095) return ok_status();
  if (action == "SCMP_ACT_TRACE" && *errno_ret <= 65535) return ok_status();
  if (action == "SCMP_ACT_ERRNO" || action == "SCMP_ACT_TRACE") {
    return invalid(path, "errno " + std::to_string(*errno_ret) + " is out of range");
  }
  // A zero says nothing: engines that print every field send it with any action.
  if (*errno_ret == 0) return ok_status();
  return invalid(path, "action " + action + " takes no errno");
}

Status check_syscall(const Seccomp& seccomp, std::string_view path, const SeccompSyscall& call) {
  if (call.names.empty()) return invalid(path, "names must not be empty");
  TRY(check_action(path, call.action, call.errno_ret));
  for (const std::string& name : call.names) {
    if (name.empty()) return invalid(path, "empty string is not a valid syscall");
    // init itself writes once the filter is in place, before anybody can answer the notification.
    if (call.action == kNotify && name == "write") {
      return invalid(path, "SCMP_ACT_NOTIFY cannot be used for the write syscall");
    }
  }
  if (call.action == kNotify && seccomp.listener_path.empty()) {
    return invalid("linux.seccomp.listenerPath", "required by SCMP_ACT_NOTIFY");
  }
  for (const SeccompArg& arg : call.args) {
    if (arg.index > 5) return invalid(path, "system calls have arguments 0 to 5 only");
    if (!names::contains(names::kSeccompOperators, arg.op)) {
      return invalid(path, "string " + quoted(arg.op) + " is not a valid operator for seccomp");
    }
  }
  return ok_status();
}

Status check_architectures(const std::vector<std::string>& architectures) {
  for (const std::string& name : architectures) {
    if (!names::contains(names::kSeccompArchitectures, name)) {
      return invalid(kPath, "string " + quoted(name) + " is not a valid arch for seccomp");
    }
  }
  return ok_status();
}

}  // namespace

Status check_seccomp(const Seccomp& seccomp) {
  TRY(check_action(kPath, seccomp.default_action, seccomp.default_errno_ret));
  if (seccomp.default_action == kNotify) {
    return invalid(kPath, "SCMP_ACT_NOTIFY cannot be used as default action");
  }
  TRY(check_architectures(seccomp.architectures));
  for (const std::string& flag : seccomp.flags) {
    if (!names::contains(names::kSeccompFlags, flag)) {
      return invalid(kPath, "unknown seccomp flag: " + quoted(flag));
    }
  }
  if (!seccomp.listener_metadata.empty() && seccomp.listener_path.empty()) {
    return invalid("linux.seccomp.listenerMetadata", "needs listenerPath");
  }
  if (!seccomp.listener_path.empty() && !is_absolute(seccomp.listener_path)) {
    return invalid("linux.seccomp.listenerPath", "must be an absolute path");
  }
  for (size_t i = 0; i < seccomp.syscalls.size(); ++i) {
    TRY(check_syscall(seccomp, at("linux.seccomp.syscalls", i), seccomp.syscalls[i]));
  }
  return ok_status();
}

}  // namespace gabion::oci
