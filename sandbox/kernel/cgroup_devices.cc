#include "kernel/cgroup_devices.h"

#include <algorithm>

#include "base/text.h"

namespace gabion::kernel {
namespace {

enum Access : unsigned { kNone = 0, kRead = 1, kWrite = 2, kMknod = 4, kAll = 7 };

unsigned access_of(const DeviceRule& rule) {
  return (rule.read ? kRead : kNone) | (rule.write ? kWrite : kNone) | (rule.mknod ? kMknod : kNone);
}

void set_access(DeviceRule& rule, unsigned access) {
  rule.read = (access & kRead) != 0;
  rule.write = (access & kWrite) != 0;
  rule.mknod = (access & kMknod) != 0;
}

bool same_device(const DeviceRule& left, const DeviceRule& right) {
  return left.type == right.type && left.major == right.major && left.minor == right.minor;
}

bool covers_number(int64_t wide, int64_t narrow) { return wide < 0 || wide == narrow; }

bool covers(const DeviceRule& wide, const DeviceRule& narrow) {
  return wide.type == narrow.type && covers_number(wide.major, narrow.major) &&
         covers_number(wide.minor, narrow.minor);
}

bool overlaps(const DeviceRule& left, const DeviceRule& right) {
  auto meet = [](int64_t one, int64_t two) { return one < 0 || two < 0 || one == two; };
  return left.type == right.type && meet(left.major, right.major) && meet(left.minor, right.minor);
}

std::string device_text(const DeviceRule& rule, unsigned access) {
  auto number = [](int64_t value) { return value < 0 ? std::string("*") : std::to_string(value); };
  std::string text =
      concat({std::string(1, rule.type), " ", number(rule.major), ":", number(rule.minor), " "});
  if ((access & kRead) != 0) text += 'r';
  if ((access & kWrite) != 0) text += 'w';
  if ((access & kMknod) != 0) text += 'm';
  return text;
}

void add_exception(DeviceList& list, const DeviceRule& rule) {
  for (DeviceRule& exception : list.exceptions) {
    if (!same_device(exception, rule)) continue;
    set_access(exception, access_of(exception) | access_of(rule));
    return;
  }
  list.exceptions.push_back(rule);
}

Status remove_exception(DeviceList& list, const DeviceRule& rule) {
  for (DeviceRule& exception : list.exceptions) {
    if (!overlaps(exception, rule) || (access_of(exception) & access_of(rule)) == 0) continue;
    if (!covers(rule, exception)) {
      return make_error(
          Code::kUnsupported,
          concat({"device rule \"", rule.allow ? "allow " : "deny ", device_text(rule, access_of(rule)),
                  "\" is not supported by the cgroup v1 devices controller: it cannot punch a "
                  "hole in \"",
                  device_text(exception, access_of(exception)), "\"; allow the devices one by one instead"}));
    }
    set_access(exception, access_of(exception) & ~access_of(rule));
  }
  std::erase_if(list.exceptions, [](const DeviceRule& exception) { return access_of(exception) == kNone; });
  return ok_status();
}

Status apply_rule(DeviceList& list, const DeviceRule& rule) {
  if (access_of(rule) == kNone) return ok_status();
  if (rule.allow == list.default_allow) return remove_exception(list, rule);
  add_exception(list, rule);
  return ok_status();
}

unsigned access_in(const DeviceList& list, const DeviceRule& device) {
  for (const DeviceRule& exception : list.exceptions) {
    if (same_device(exception, device)) return access_of(exception);
  }
  return kNone;
}

}  // namespace

bool is_whole_rule(const DeviceRule& rule) {
  if (rule.type != 'a' || rule.major >= 0 || rule.minor >= 0) return false;
  return access_of(rule) == kAll || (!rule.allow && access_of(rule) == kNone);
}

Result<DeviceList> device_list(const std::vector<DeviceRule>& rules) {
  DeviceList list;
  for (DeviceRule rule : rules) {
    if (is_whole_rule(rule)) {
      list = {.default_allow = rule.allow, .exceptions = {}};
      continue;
    }
    if (rule.type != 'a' && rule.type != 'b' && rule.type != 'c') {
      return make_error(Code::kInvalid, concat({"device rule of type \"", std::string(1, rule.type),
                                                "\": a, b and c are the types the kernel controls"}));
    }
    if (!rule.allow && access_of(rule) == kNone) set_access(rule, kAll);
    if (rule.type == 'a') {
      // The kernel takes "a" as everything whatever follows it: a part of it is both types' part.
      rule.type = 'b';
      TRY(apply_rule(list, rule));
      rule.type = 'c';
    }
    TRY(apply_rule(list, rule));
  }
  return list;
}

DeviceList parse_device_list(std::string_view text) {
  DeviceList list;
  for (std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> fields = split(line, ' ');
    if (fields.size() != 3 || fields[0].size() != 1) continue;
    if (fields[0] == "a") return {.default_allow = true, .exceptions = {}};
    const std::vector<std::string_view> numbers = split(fields[1], ':');
    if (numbers.size() != 2) continue;
    auto number = [](std::string_view value) {
      const std::optional<uint64_t> parsed = parse_unsigned(value, UINT32_MAX);
      return parsed ? static_cast<int64_t>(*parsed) : int64_t{-1};
    };
    DeviceRule rule{
        .allow = true, .type = fields[0][0], .major = number(numbers[0]), .minor = number(numbers[1])};
    rule.read = fields[2].find('r') != std::string_view::npos;
    rule.write = fields[2].find('w') != std::string_view::npos;
    rule.mknod = fields[2].find('m') != std::string_view::npos;
    add_exception(list, rule);
  }
  return list;
}

DeviceTransition device_transition(const std::optional<DeviceList>& current, const DeviceList& target) {
  DeviceTransition change;
  DeviceList from = current.value_or(DeviceList{});
  // A living group that allows by default shows no exceptions: denials are added to those it has,
  // and none is lifted. That is never wider than asked.
  if (!current || from.default_allow != target.default_allow) {
    change.reset = {"a"};
    change.reset_to_allow = target.default_allow;
    from = {.default_allow = target.default_allow, .exceptions = {}};
  }
  std::vector<std::string>& add = target.default_allow ? change.deny : change.allow;
  std::vector<std::string>& take = target.default_allow ? change.allow : change.deny;
  for (const DeviceRule& exception : from.exceptions) {
    const unsigned surplus = access_of(exception) & ~access_in(target, exception);
    if (surplus != kNone) take.push_back(device_text(exception, surplus));
  }
  for (const DeviceRule& exception : target.exceptions) {
    const unsigned missing = access_of(exception) & ~access_in(from, exception);
    if (missing != kNone) add.push_back(device_text(exception, missing));
  }
  return change;
}

}  // namespace gabion::kernel
