#include "profiles/seccomp/profile.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "kernel/seccomp_numbers.h"

namespace gabion::profiles {
namespace {

using json::Value;
using kernel::seccomp::Abi;
using kernel::seccomp::Branch;
using kernel::seccomp::Calls;
using kernel::seccomp::Compare;
using kernel::seccomp::Condition;
using kernel::seccomp::Defaults;
using kernel::seccomp::find_syscall;
using kernel::seccomp::kNoNumber;
using kernel::seccomp::Plan;
using kernel::seccomp::Program;
using kernel::seccomp::syscall_at;
using kernel::seccomp::syscall_count;
using kernel::seccomp::syscall_name;
using kernel::seccomp::Verdict;
using kernel::seccomp::WatchedCall;
using kernel::seccomp::WatchingProfile;

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;

Error bad(std::string_view group, std::string_view why) {
  return make_error(Code::kInvalid, concat({"group \"", group, "\": ", why}));
}

Result<uint32_t> denial(const Value& object, std::string_view where, std::optional<uint32_t> fallback) {
  const Value* name = object.find("errno");
  if (name == nullptr && fallback) return *fallback;
  constexpr std::pair<std::string_view, uint32_t> kErrors[] = {
      {"EPERM", EPERM}, {"ENOSYS", ENOSYS}, {"EAFNOSUPPORT", EAFNOSUPPORT}, {"EBUSY", EBUSY}};
  for (const auto& [known, number] : kErrors) {
    if (name != nullptr && name->text() == known) return SECCOMP_RET_ERRNO | number;
  }
  return bad(where, "errno is EPERM, ENOSYS, EAFNOSUPPORT or EBUSY");
}

// "0x5412" or "16", as the kernel's headers write them.
std::optional<uint64_t> parse_number(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x");
  if (hexadecimal) text.remove_prefix(2);
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, hexadecimal ? 16 : 10);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  return value;
}

Status only_keys(const Value& object, std::initializer_list<std::string_view> keys, std::string_view where) {
  if (!object.is(Value::Kind::kObject)) return bad(where, "an object is wanted");
  for (const json::Member& member : object.members()) {
    if (std::find(keys.begin(), keys.end(), member.first) == keys.end()) {
      return bad(where, concat({"unknown key \"", member.first, "\""}));
    }
  }
  return ok_status();
}

Result<Condition> read_condition(const Value& value, std::string_view group) {
  TRY(only_keys(value, {"arg", "mask", "equals", "what"}, group));
  const Value* arg = value.find("arg");
  const Value* equals = value.find("equals");
  if (arg == nullptr || equals == nullptr) return bad(group, "a condition needs \"arg\" and \"equals\"");
  const uint64_t index = TRY(arg->as_uint64());
  const Value* mask_text = value.find("mask");
  const std::optional<uint64_t> mask = mask_text == nullptr ? UINT64_MAX : parse_number(mask_text->text());
  const std::optional<uint64_t> wanted = parse_number(equals->text());
  if (index > 5 || !mask || !wanted || *mask == 0) return bad(group, "a condition's number is wrong");
  if ((*wanted & ~*mask) != 0) return bad(group, "a condition wants bits that its mask drops");
  return Condition{static_cast<uint32_t>(index), Compare::kMaskedEqual, *mask, *wanted};
}

Status read_alternatives(const Value& group, std::string_view key, uint32_t action, std::string_view name,
                         std::vector<Branch>& out) {
  const Value* list = group.find(key);
  if (list == nullptr) return ok_status();
  if (list->items().empty()) return bad(name, concat({"\"", key, "\" is empty"}));
  for (const Value& alternative : list->items()) {
    Branch branch{{}, action};
    for (const Value& value : alternative.items()) {
      Condition condition = TRY(read_condition(value, name));
      branch.conditions.push_back(condition);
    }
    if (branch.conditions.empty()) return bad(name, "an alternative without a condition");
    out.push_back(std::move(branch));
  }
  return ok_status();
}

// What makes somebody's denials heard of.
Status read_watch(const Value& value, std::string_view title, Group& group) {
  if (const Value* watch = value.find("watch")) group.watch = watch->text();
  const Value* needs = value.find("needs");
  if (needs == nullptr) return ok_status();
  TRY(only_keys(*needs, {"capability", "errno", "when"}, title));
  const Value* capability = needs->find("capability");
  if (group.watch.empty() || capability == nullptr || capability->text() != "CAP_NET_RAW") {
    return bad(title, "\"needs\" is for a watched group, and for CAP_NET_RAW");
  }
  const uint32_t denied = TRY(denial(*needs, title, std::nullopt));
  TRY(read_alternatives(*needs, "when", denied, title, group.needs));
  return group.needs.empty() ? bad(title, "\"needs\" without \"when\"") : ok_status();
}

// What nobody may do where somebody listens.
Status read_beside_listener(const Value& value, std::string_view title, Group& group) {
  const Value* beside = value.find("beside_listener");
  if (beside == nullptr) return ok_status();
  TRY(only_keys(*beside, {"errno", "when"}, title));
  if (!group.watch.empty()) return bad(title, "\"beside_listener\" is for a group that is not watched");
  const uint32_t denied = TRY(denial(*beside, title, std::nullopt));
  TRY(read_alternatives(*beside, "when", denied, title, group.beside_listener));
  return group.beside_listener.empty() ? bad(title, "\"beside_listener\" without \"when\"") : ok_status();
}

Result<Group> read_group(const Value& value, uint32_t default_action) {
  const Value* name = value.find("name");
  const std::string title = name == nullptr ? "" : name->text();
  TRY(only_keys(value,
                {"name", "reason", "syscalls", "action", "errno", "unless", "when", "watch", "needs",
                 "beside_listener"},
                title));
  const Value* reason = value.find("reason");
  const Value* syscalls = value.find("syscalls");
  if (title.empty() || reason == nullptr || reason->text().empty())
    return bad(title, "a name and a reason are needed");
  if (syscalls == nullptr || syscalls->items().empty()) return bad(title, "no calls");
  Group group{title, reason->text(), {}, {}, {}, {}, {}};
  for (const Value& call : syscalls->items()) group.syscalls.push_back(call.text());

  const uint32_t denied = TRY(denial(value, title, default_action));
  const Value* action = value.find("action");
  if (action != nullptr && action->text() != "deny" && action->text() != "allow") {
    return bad(title, "action is allow or deny");
  }
  const bool deny = action != nullptr && action->text() == "deny";
  const bool has_when = value.find("when") != nullptr;
  TRY(read_alternatives(value, "unless", denied, title, group.verdict.branches));
  TRY(read_alternatives(value, "when", kAllow, title, group.verdict.branches));
  if (deny && !group.verdict.branches.empty()) return bad(title, "a denied group has no conditions");
  group.verdict.action = deny || has_when ? denied : kAllow;
  TRY(read_watch(value, title, group));
  TRY(read_beside_listener(value, title, group));
  return group;
}

// The group of each row; every native call needs one.
Status check_coverage(const Profile& profile) {
  std::vector<const Group*> owners(syscall_count(), nullptr);
  for (const Group& group : profile.groups) {
    for (const std::string& name : group.syscalls) {
      const std::optional<size_t> row = find_syscall(name);
#if defined(__x86_64__)
      // Other architectures have fewer calls (no open, no fork): there a name may be unknown.
      if (!row) return bad(group.name, concat({"there is no call ", name}));
#else
      if (!row) continue;
#endif
      if (owners[*row] != nullptr) return bad(group.name, concat({name, " is in two groups"}));
      owners[*row] = &group;
    }
  }
  for (size_t row = 0; row < owners.size(); ++row) {
    if (owners[row] == nullptr && syscall_at(row).number(Abi::kNative) != kNoNumber) {
      return make_error(Code::kInvalid, concat({syscall_name(syscall_at(row)), " is in no group"}));
    }
  }
  return ok_status();
}

}  // namespace

Result<Profile> read_profile(std::string_view text, std::string_view name) {
  const Value document = TRY(json::parse(text, name));
  TRY(only_keys(document, {"description", "errno", "groups"}, name));
  Profile profile;
  profile.default_action = TRY(denial(document, name, std::nullopt));
  const Value* groups = document.find("groups");
  if (groups == nullptr) return make_error(Code::kInvalid, concat({name, ": no groups"}));
  for (const Value& value : groups->items()) {
    Group group = TRY(read_group(value, profile.default_action));
    profile.groups.push_back(std::move(group));
  }
  TRY(check_coverage(profile));
  return profile;
}

namespace {

// Only called for groups of native calls.
Result<Program> compile_groups(const std::vector<std::pair<std::vector<uint32_t>, Verdict>>& groups) {
  Plan plan;
  plan.bad_arch_action = SECCOMP_RET_KILL_PROCESS;
  Defaults defaults;
  // Every call of the table is in a group: what is left no kernel had when gabion was built.
  defaults.known = plan.intern({SECCOMP_RET_ERRNO | ENOSYS, {}, false});
  defaults.bad_arch = plan.intern({SECCOMP_RET_KILL_PROCESS, {}, false});
  Calls native;
  native.wanted = true;
  for (const auto& [numbers, verdict] : groups) {
    const uint32_t index = plan.intern(verdict);
    for (const uint32_t number : numbers) native.verdicts.emplace_back(number, index);
  }
  std::sort(native.verdicts.begin(), native.verdicts.end());
  plan.architectures.push_back({audit_arch(Abi::kNative), native_spans(native, Calls{}, defaults)});
  return emit(plan);
}

std::vector<uint32_t> native_numbers(const Group& group) {
  std::vector<uint32_t> numbers;
  for (const std::string& name : group.syscalls) {
    const std::optional<size_t> row = find_syscall(name);
    if (row && syscall_at(*row).number(Abi::kNative) != kNoNumber) {
      numbers.push_back(syscall_at(*row).number(Abi::kNative));
    }
  }
  return numbers;
}

// The same decision, but a denial asks.
Verdict asking(Verdict verdict, size_t kind) {
  const auto ask = [kind](uint32_t& action) {
    if (action != kAllow) action = kernel::seccomp::asks_for(kind, action & SECCOMP_RET_DATA);
  };
  ask(verdict.action);
  for (Branch& branch : verdict.branches) ask(branch.action);
  return verdict;
}

// The index of `kind`, added if need be.
Result<size_t> kind_index(std::vector<std::string_view>& kinds, std::string_view kind) {
  const auto known = std::find(kinds.begin(), kinds.end(), kind);
  if (known != kinds.end()) return static_cast<size_t>(known - kinds.begin());
  if (kinds.size() == kernel::seccomp::kMaxKinds) return bad(kind, "too many words for \"watch\"");
  kinds.push_back(kind);
  return kinds.size() - 1;
}

}  // namespace

Result<Program> compile_profile(const Profile& profile) {
  std::vector<std::pair<std::vector<uint32_t>, Verdict>> groups;
  groups.reserve(profile.groups.size());
  for (const Group& group : profile.groups) groups.emplace_back(native_numbers(group), group.verdict);
  return compile_groups(groups);
}

Result<WatchingProfile> compile_watching(const Profile& profile, bool raw_sockets) {
  WatchingProfile watching;
  std::vector<std::pair<std::vector<uint32_t>, Verdict>> groups;
  for (const Group& group : profile.groups) {
    Verdict verdict = group.verdict;
    std::vector<uint32_t> numbers = native_numbers(group);
    if (!group.watch.empty()) {
      if (!raw_sockets) {
        verdict.branches.insert(verdict.branches.begin(), group.needs.begin(), group.needs.end());
      }
      for (const uint32_t number : numbers) watching.watch.push_back({number, group.watch, verdict});
      const size_t kind = TRY(kind_index(watching.kinds, group.watch));
      verdict = asking(std::move(verdict), kind);
    }
    verdict.branches.insert(verdict.branches.begin(), group.beside_listener.begin(),
                            group.beside_listener.end());
    groups.emplace_back(std::move(numbers), std::move(verdict));
  }
  std::sort(watching.watch.begin(), watching.watch.end(),
            [](const WatchedCall& left, const WatchedCall& right) { return left.number < right.number; });
  watching.program = TRY(compile_groups(groups));
  return watching;
}

}  // namespace gabion::profiles
