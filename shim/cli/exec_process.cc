#include "shim/cli/exec_process.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace gabion::cli {

namespace {

// The largest id there is: 2^32-1 means "no change" to setuid(2) and its kin.
constexpr uint64_t kMaxId = 4294967294U;

// Whole or an error, never wrapped: "4294967296" once became root (CVE-2024-40635, CVE-2026-30892).
Result<uint32_t> parse_id(std::string_view text, std::string_view flag) {
  const auto id = parse_unsigned(text, kMaxId);
  if (!id) {
    return make_error(Code::kInvalid,
                      concat({flag, ": invalid id \"", text, "\": expected a number from 0 to 4294967294"}));
  }
  return static_cast<uint32_t>(*id);
}

Status set_user(oci::User& user, std::string_view text) {
  const size_t colon = text.find(':');
  user.uid = TRY(parse_id(text.substr(0, colon), "--user"));
  if (colon != std::string_view::npos) user.gid = TRY(parse_id(text.substr(colon + 1), "--user"));
  return ok_status();
}

// A later setting of a variable replaces the earlier one: which of two a program reads is the
// program's choice, and libc takes the first.
Status set_variable(std::vector<std::string>& environment, const std::string& setting) {
  const size_t equals = setting.find('=');
  if (equals == std::string::npos || equals == 0) {
    return make_error(Code::kInvalid, concat({"--env: \"", setting, "\" is not of the form NAME=VALUE"}));
  }
  const std::string_view name = std::string_view(setting).substr(0, equals + 1);
  for (std::string& existing : environment) {
    if (!existing.starts_with(name)) continue;
    existing = setting;
    return ok_status();
  }
  environment.push_back(setting);
  return ok_status();
}

void add_once(std::vector<std::string>& list, const std::string& name) {
  if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
}

std::string capability_name(std::string_view text) {
  std::string name;
  for (char c : text) name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name.starts_with("CAP_") ? name : "CAP_" + name;
}

}  // namespace

Result<oci::Process> merge_exec(const oci::Process& container, const Arguments& arguments,
                                std::span<const std::string> command) {
  if (command.empty()) return make_error(Code::kInvalid, "process args cannot be empty");
  oci::Process process = container;
  process.args.assign(command.begin(), command.end());
  process.terminal = arguments.on("tty");
  if (arguments.has("cwd")) process.cwd = arguments.text("cwd");
  if (arguments.has("apparmor")) process.apparmor_profile = arguments.text("apparmor");
  if (arguments.has("process-label")) process.selinux_label = arguments.text("process-label");
  if (arguments.has("no-new-privs")) process.no_new_privileges = arguments.on("no-new-privs");
  for (const std::string& setting : arguments.list("env")) TRY(set_variable(process.env, setting));
  if (arguments.has("user")) TRY(set_user(process.user, arguments.text("user")));
  for (const std::string& text : arguments.list("additional-gids")) {
    process.user.additional_gids.push_back(TRY(parse_id(text, "--additional-gids")));
  }
  const std::vector<std::string> asked = arguments.list("cap");
  if (!asked.empty() && !process.capabilities) process.capabilities.emplace();
  for (const std::string& text : asked) {
    // Not inheritable, not ambient: a capability a program did not ask for outlives it through an
    // exec (CVE-2022-29162).
    const std::string name = capability_name(text);
    add_once(process.capabilities->bounding, name);
    add_once(process.capabilities->effective, name);
    add_once(process.capabilities->permitted, name);
  }
  return process;
}

}  // namespace gabion::cli
