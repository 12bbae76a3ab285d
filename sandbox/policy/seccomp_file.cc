#include "policy/seccomp_file.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "oci/check.h"
#include "oci/reader.h"
#include "policy/trusted_file.h"
#include "policy/values.h"

namespace gabion::policy {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;

Status check_keys(const json::Value& object, std::string_view where,
                  std::span<const std::string_view> known) {
  TRY(expect(object, json::Value::Kind::kObject, where));
  for (const auto& [key, value] : object.members()) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      return unknown_word(where, "key", key, known);
  }
  return ok_status();
}

// The reader of config.json passes over what it does not know.
Status check_form(const json::Value& document, std::string_view name) {
  constexpr std::array<std::string_view, 4> kKeys = {"defaultAction", "defaultErrnoRet", "architectures",
                                                     "syscalls"};
  constexpr std::array<std::string_view, 5> kRuleKeys = {"names", "action", "errnoRet", "args", "comment"};
  constexpr std::array<std::string_view, 4> kArgKeys = {"index", "value", "valueTwo", "op"};
  TRY(check_keys(document, name, kKeys));
  const std::string where = at_key(concat({name, ":"}), "syscalls");
  const json::Value* rules = document.find("syscalls");
  if (rules == nullptr) return invalid(name, "\"syscalls\" is missing");
  TRY(expect(*rules, json::Value::Kind::kArray, where));
  for (size_t i = 0; i < rules->items().size(); ++i) {
    const std::string place = at_index(where, i);
    const json::Value& rule = rules->items()[i];
    TRY(check_keys(rule, place, kRuleKeys));
    const json::Value* args = rule.find("args");
    if (args == nullptr || !args->is(json::Value::Kind::kArray)) continue;
    for (size_t j = 0; j < args->items().size(); ++j) {
      TRY(check_keys(args->items()[j], at_index(at_key(place, "args"), j), kArgKeys));
    }
  }
  return ok_status();
}

Status check_actions(const oci::Seccomp& filter, std::string_view name) {
  const auto check = [&](const std::string& action) -> Status {
    if (action != "SCMP_ACT_NOTIFY" && action != "SCMP_ACT_TRACE") return ok_status();
    return invalid(name, concat({action, " has nobody to answer it (fix: SCMP_ACT_ERRNO)"}));
  };
  TRY(check(filter.default_action));
  for (const oci::SeccompSyscall& rule : filter.syscalls) TRY(check(rule.action));
  return ok_status();
}

bool lets_through(const std::string& action) {
  return action == "SCMP_ACT_ALLOW" || action == "SCMP_ACT_LOG";
}

// Of several unconditional rules the first holds, and any of them over those with conditions
// (docs/seccomp.md).
bool always_allows(const oci::Seccomp& filter, std::string_view call) {
  bool conditional = false;
  for (const oci::SeccompSyscall& rule : filter.syscalls) {
    if (std::find(rule.names.begin(), rule.names.end(), call) == rule.names.end()) continue;
    if (rule.args.empty()) return lets_through(rule.action);
    conditional = true;
  }
  return !conditional && lets_through(filter.default_action);
}

Result<SeccompFileFact> read(const std::string& path) {
  // O_NONBLOCK: a fifo in its place must not hang every start.
  const Fd file = TRY(open_path(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  TRY(check_trusted_file(file.get(), path, "a seccomp profile of the policy", Parents::kTrusted));
  const std::string text = TRY(read_fd(file.get(), kMaxBytes, path));
  SeccompFileFact fact;
  fact.sha256 = sha256_hex(text);
  // A file that is not the pinned one is called so, rather than what is wrong in it.
  Result<oci::Seccomp> filter = parse_seccomp_file(text, path);
  if (filter.ok()) {
    fact.filter = std::move(filter).value();
  } else {
    fact.error = filter.error().message();
  }
  return fact;
}

}  // namespace

SeccompFileFact read_seccomp_file(const std::string& path) {
  Result<SeccompFileFact> fact = read(path);
  if (fact.ok()) return std::move(fact).value();
  return SeccompFileFact{fact.error().message(), "", {}};
}

Result<oci::Seccomp> parse_seccomp_file(std::string_view text, std::string_view name) {
  json::ParseOptions options;
  options.max_bytes = kMaxBytes;
  options.max_depth = 16;
  json::Value document = TRY(json::parse(text, name, options));
  TRY(check_form(document, name));
  // Read by config.json's reader, in the place it has there.
  json::Value section = json::Value::object();
  section.set("seccomp", std::move(document));
  json::Value carrier = json::Value::object();
  carrier.set("ociVersion", json::Value::string("1.0.0"));
  carrier.set("linux", std::move(section));
  oci::Spec spec = TRY_AT(oci::read_spec(carrier), name);
  if (!spec.linux_.seccomp || spec.linux_.seccomp->default_action.empty()) {
    return invalid(name, "\"defaultAction\" is missing");
  }
  oci::Seccomp& filter = *spec.linux_.seccomp;
  TRY_AT(oci::check_seccomp(filter), name);
  TRY(check_actions(filter, name));
  for (const std::string_view call : {"seccomp", "execve"}) {
    if (always_allows(filter, call)) continue;
    return invalid(name,
                   concat({"it does not allow ", call,
                           ", with which gabion installs the next filter and executes the program (fix: add "
                           "it to the names of an SCMP_ACT_ALLOW rule without args)"}));
  }
  return std::move(filter);
}

std::string object_to(const PinnedFile& pinned, const SeccompFileFact& fact) {
  if (!pinned.sha256.empty() && !fact.sha256.empty() && pinned.sha256 != fact.sha256) {
    return concat({"its SHA-256 is ", fact.sha256,
                   ", not the one the policy pins (fix: put the reviewed file back, or pin the new one)"});
  }
  return fact.error;
}

Status check_seccomp_files(const Policy& policy) {
  const auto check = [](const std::vector<PinnedFile>& files) -> Status {
    for (const PinnedFile& pinned : files) {
      const std::string objection = object_to(pinned, read_seccomp_file(pinned.file));
      if (!objection.empty()) return invalid(concat({"seccompFilters: ", pinned.file}), objection);
    }
    return ok_status();
  };
  TRY(check(policy.seccomp_filters));
  for (const Exception& exception : policy.exceptions) TRY(check(exception.seccomp_filters));
  return ok_status();
}

}  // namespace gabion::policy
