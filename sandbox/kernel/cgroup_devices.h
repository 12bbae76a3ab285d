// Device rules as cgroup v1's devices controller can hold them: a default and exceptions to it.
// Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernel/cgroup.h"

namespace gabion::kernel {

// Whether `rule` settles every device and access: OCI's {"allow": false} and {"allow": true,
// "access": "rwm"}. A denial without an access is one of everything; a grant without one grants
// nothing.
bool is_whole_rule(const DeviceRule& rule);

struct DeviceList {
  bool default_allow = false;
  // Type b or c; `allow` is the opposite of default_allow. One entry per device.
  std::vector<DeviceRule> exceptions;
};

// The rules in order, the last that matches deciding; before the first, nothing is allowed. An
// order v1 cannot hold (a hole in a wildcard, which its kernel side ignores silently) is
// Code::kUnsupported.
Result<DeviceList> device_list(const std::vector<DeviceRule>& rules);

// devices.list: "a *:* rwm", or the allowed devices one by line.
DeviceList parse_device_list(std::string_view text);

struct DeviceTransition {
  std::vector<std::string> reset;  // at most one "a": drops every exception
  bool reset_to_allow = false;     // where it goes: devices.allow or devices.deny
  std::vector<std::string> deny;   // to devices.deny, before `allow`
  std::vector<std::string> allow;
};

// The fewest writes from `current` to `target`; nullopt is a new group, whose list is not known.
DeviceTransition device_transition(const std::optional<DeviceList>& current, const DeviceList& target);

}  // namespace gabion::kernel
