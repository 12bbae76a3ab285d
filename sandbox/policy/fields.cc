#include "policy/fields.h"

#include <limits>

#include "base/text.h"
#include "policy/field_readers.h"
#include "policy/tiers.h"

namespace gabion::policy {

Status check_words(const std::vector<std::string>& words, std::span<const std::string_view> known,
                   std::string_view kind, std::string_view where) {
  for (const std::string& word : words) {
    if (std::find(known.begin(), known.end(), word) == known.end())
      return unknown_word(where, kind, word, known);
  }
  return ok_status();
}

Result<std::pair<Rule, Mode>> read_rule(std::string_view name, const json::Value& value,
                                        std::string_view where) {
  const auto has_mode = [](Rule rule) { return rule != Rule::kException && rule != Rule::kSeccompPinned; };
  const std::optional<Rule> rule = rule_from_name(name);
  if (!rule) {
    std::vector<std::string_view> known;
    for (size_t i = 0; i < kRuleCount; ++i) {
      if (has_mode(static_cast<Rule>(i))) known.push_back(rule_name(static_cast<Rule>(i)));
    }
    return unknown_word(where, "rule", name, known);
  }
  const std::string place = at_key(where, name);
  if (!has_mode(*rule)) return invalid(place, "the rule has no mode: what it does cannot be turned off");
  const std::string word = TRY(to_text(value, place));
  const std::optional<Mode> mode = mode_from_name(word);
  if (!mode) return invalid(place, "expected \"rewrite\", \"refuse\" or \"warn\"");
  return std::pair{*rule, *mode};
}

namespace {

using json::Value;

Status read_rules(const Value& value, std::string_view where, Policy& policy) {
  TRY(expect(value, Value::Kind::kObject, where));
  // "*" comes first whatever its place: JSON objects have no order.
  if (const Value* all = value.find("*")) {
    const std::string place = at_key(where, "*");
    const std::optional<Mode> mode = mode_from_name(TRY(to_text(*all, place)));
    if (!mode) return invalid(place, "expected \"rewrite\", \"refuse\" or \"warn\"");
    policy.rules.fill(*mode);
  }
  for (const auto& [name, item] : value.members()) {
    if (name == "*") continue;
    const std::pair<Rule, Mode> entry = TRY(read_rule(name, item, where));
    policy.set_mode(entry.first, entry.second);
  }
  return ok_status();
}

// ---- ids

template <uint32_t IdRange::*Member>
Status read_id(const Value& value, std::string_view where, IdRange& ids) {
  ids.*Member =
      static_cast<uint32_t>(TRY(to_unsigned(value, 1, std::numeric_limits<uint32_t>::max() - 1, where)));
  return ok_status();
}

constexpr std::array<Field<IdRange>, 3> kIdFields = {{{"base", read_id<&IdRange::base>},
                                                      {"count", read_id<&IdRange::count>},
                                                      {"size", read_id<&IdRange::size>}}};

Status read_ids(const Value& value, std::string_view where, Policy& policy) {
  TRY(read_object(value, where, kIdFields, policy.ids));
  const IdRange& ids = policy.ids;
  if (uint64_t{ids.base} + ids.count > std::numeric_limits<uint32_t>::max()) {
    return invalid(where, "base + count must stay below 4294967295, which is no id");
  }
  if (ids.size > ids.count) return invalid(where, "count has no room for one range of size ids");
  return ok_status();
}

// ---- the rest

Status read_joins(const Value& value, std::string_view where, Policy& policy) {
  constexpr std::array<std::string_view, 8> kTypes = {"pid", "network", "mount",  "ipc",
                                                      "uts", "user",    "cgroup", "time"};
  policy.join_namespaces = TRY(to_list(value, where, policy.join_namespaces));
  return check_words(policy.join_namespaces, kTypes, "type of namespace", where);
}

Status read_pids(const Value& value, std::string_view where, Policy& policy) {
  constexpr uint64_t kPidMax = 4194304;  // PID_MAX_LIMIT on 64 bits
  policy.pids = TRY(to_unsigned(value, 0, kPidMax, where));
  return ok_status();
}

Status read_memory(const Value& value, std::string_view where, Policy& policy) {
  policy.memory = TRY(to_memory(value, where));
  return ok_status();
}

Status read_seccomp_profile(const Value& value, std::string_view where, Policy& policy) {
  policy.seccomp_profile = TRY(to_text(value, where));
  if (policy.seccomp_profile.empty()) return ok_status();
  return check_words({policy.seccomp_profile}, seccomp_profiles(), "built-in profile", where);
}

Result<Answer> read_answer(const Value& value, std::string_view where) {
  const std::string word = TRY(to_text(value, where));
  const std::optional<Answer> answer = answer_from_name(word);
  if (!answer) return invalid(where, "expected \"off\", \"log\", \"freeze\" or \"kill\"");
  return *answer;
}

Status read_violations(const Value& value, std::string_view where, Policy& policy) {
  TRY(expect(value, Value::Kind::kObject, where));
  if (const Value* all = value.find("*")) {  // first, as in the rules
    const Answer answer = TRY(read_answer(*all, at_key(where, "*")));
    policy.violations.set_all(answer);
  }
  for (const auto& [name, item] : value.members()) {
    if (name == "*") continue;
    const std::optional<size_t> kind = violation_kind(name);
    if (!kind) return unknown_word(where, "kind of violation", name, kViolationKinds);
    const Answer answer = TRY(read_answer(item, at_key(where, name)));
    policy.violations.set(*kind, answer);
  }
  return ok_status();
}

Status skip(const Value&, std::string_view, Policy&) { return ok_status(); }

constexpr std::array<Field<Policy>, 34> kFields = {
    {{"name", skip},
     {"extends", skip},
     {"enforce", read_bool<&Policy::enforce, Policy>},
     {"rules", read_rules},
     {"ids", read_ids},
     {"userNamespace", read_bool<&Policy::user_namespace, Policy>},
     {"sealNamespaces", read_bool<&Policy::seal_namespaces, Policy>},
     {"forbidNestedNamespaces", read_bool<&Policy::forbid_nested_namespaces, Policy>},
     {"noMemfdExec", read_bool<&Policy::no_memfd_exec, Policy>},
     {"privateStdio", read_bool<&Policy::private_stdio, Policy>},
     {"landlock", read_bool<&Policy::landlock, Policy>},
     {"memoryDenyWriteExecute", read_bool<&Policy::memory_deny_write_execute, Policy>},
     {"seccompProfile", read_seccomp_profile},
     {"violations", read_violations},
     {"seccompFilters", read_seccomp_files<Policy>},
     {"joinNamespaces", read_joins},
     {"capabilities", read_capabilities<&Policy::capabilities, Policy>},
     {"volatilePaths", read_paths<&Policy::volatile_paths, Policy>},
     {"volatileSize", read_size<&Policy::volatile_size, Policy>},
     {"tmpfsSize", read_size<&Policy::tmpfs_size, Policy>},
     {"allowedHostPaths", read_paths<&Policy::allowed_host_paths, Policy>},
     {"engineStores", read_paths<&Policy::engine_stores, Policy>},
     {"trustedExecutables", read_paths<&Policy::trusted_executables, Policy>},
     {"maskedPaths", read_paths<&Policy::masked_paths, Policy>},
     {"readonlyPaths", read_paths<&Policy::readonly_paths, Policy>},
     {"procSubsetPid", read_bool<&Policy::proc_subset_pid, Policy>},
     {"devices", read_devices<Policy>},
     {"sysctls", read_list<&Policy::sysctls, Policy>},
     {"pids", read_pids},
     {"memory", read_memory},
     {"exec", read_bool<&Policy::exec, Policy>},
     {"hooks", read_hooks},
     {"loggers", read_loggers},
     {"exceptions", read_exceptions}}};

}  // namespace

Status read_fields(const Value& object, std::string_view where, Policy& policy) {
  return read_object(object, where, kFields, policy);
}

}  // namespace gabion::policy
