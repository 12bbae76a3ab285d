// The six standard devices and the terminals, in the file tree and in the device cgroup.
#include <algorithm>
#include <array>

#include "base/path.h"
#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

struct StandardDevice {
  std::string_view path;
  int64_t major;
  int64_t minor;
};

// runtime-spec, "Default Devices".
constexpr std::array<StandardDevice, 6> kStandard = {{{"/dev/null", 1, 3},
                                                      {"/dev/zero", 1, 5},
                                                      {"/dev/full", 1, 7},
                                                      {"/dev/random", 1, 8},
                                                      {"/dev/urandom", 1, 9},
                                                      {"/dev/tty", 5, 0}}};
constexpr int64_t kPtmxMajor = 5;
constexpr int64_t kPtmxMinor = 2;
constexpr int64_t kPtsMajor = 136;  // devices.txt: 136 to 143 are Unix98 slaves

bool is_standard(const oci::Device& device) {
  return device.type == "c" &&
         std::any_of(kStandard.begin(), kStandard.end(), [&](const StandardDevice& standard) {
           return clean_path(device.path) == standard.path && device.major == standard.major &&
                  device.minor == standard.minor;
         });
}

const DeviceGrant* find_grant(const Policy& policy, const oci::Device& device) {
  for (const DeviceGrant& grant : policy.devices) {
    if (grant.path == clean_path(device.path) && grant.type == device.type && grant.major == device.major &&
        grant.minor == device.minor) {
      return &grant;
    }
  }
  return nullptr;
}

std::string describe(const oci::Device& device) {
  return device.path + " " + device.type + " " + std::to_string(device.major) + ":" +
         std::to_string(device.minor);
}

oci::DeviceRule allow(std::string type, int64_t major, std::optional<int64_t> minor, std::string access) {
  oci::DeviceRule rule;
  rule.allow = true;
  rule.type = std::move(type);
  rule.major = major;
  rule.minor = minor;
  rule.access = std::move(access);
  return rule;
}

std::vector<oci::DeviceRule> wanted_rules(const Policy& policy, const std::vector<oci::Device>& nodes) {
  std::vector<oci::DeviceRule> rules(1);
  rules[0].access = "rwm";  // deny everything, then name what is left
  for (const StandardDevice& device : kStandard)
    rules.push_back(allow("c", device.major, device.minor, "rwm"));
  rules.push_back(allow("c", kPtmxMajor, kPtmxMinor, "rwm"));
  rules.push_back(allow("c", kPtsMajor, std::nullopt, "rwm"));
  for (const oci::Device& node : nodes) {
    if (const DeviceGrant* grant = find_grant(policy, node)) {
      rules.push_back(allow(grant->type, grant->major, grant->minor, grant->access));
    }
  }
  return rules;
}

std::string describe(const std::vector<oci::DeviceRule>& rules) {
  if (rules.empty()) return "";
  const auto allowed =
      std::count_if(rules.begin(), rules.end(), [](const oci::DeviceRule& rule) { return rule.allow; });
  return std::to_string(rules.size()) + " rules, " + std::to_string(allowed) + " of them allow";
}

}  // namespace

void judge_device_rules(const Policy& policy, std::vector<oci::DeviceRule>& rules,
                        const std::vector<oci::Device>& nodes, const std::string& path, Recorder& log) {
  std::vector<oci::DeviceRule> wanted = wanted_rules(policy, nodes);
  if (rules == wanted) return;
  std::string after = "deny all but the standard six and terminals";
  if (wanted.size() > kStandard.size() + 3) after += ", and what the policy grants";
  if (log.rewrites(Rule::kDevicesCgroup,
                   {path, describe(rules), after,
                    "every other device number is the host's hardware or another container's disk",
                    "leave the device rules to the runtime"})) {
    rules = std::move(wanted);
  }
}

// Rules are made once, when the container is created, as in runc. CRI sends them along with every update.
void hold_to_device_rules(const std::vector<oci::DeviceRule>& running, std::vector<oci::DeviceRule>& rules,
                          const std::string& path, Recorder& log) {
  if (rules.empty() || rules == running) return;
  log.tightens(Rule::kDevicesCgroup,
               {path, describe(rules), "", "an update changes limits; device rules stay as they were created",
                "leave the device rules out"});
  rules.clear();
}

void judge_devices(const Policy& policy, Draft& draft, Recorder& log) {
  oci::Linux& section = draft.spec.linux_;
  std::vector<oci::Device> kept;
  for (size_t i = 0; i < section.devices.size(); ++i) {
    const oci::Device& device = section.devices[i];
    const std::string path = "linux.devices[" + std::to_string(i) + "]";
    if (is_standard(device)) {
      kept.push_back(device);
    } else if (find_grant(policy, device) != nullptr) {
      log.keeps(Rule::kDevicesNodes, path, describe(device), "the policy grants this device");
      kept.push_back(device);
    } else if (!log.rewrites(Rule::kDevicesNodes,
                             {path, describe(device), "", "only the six standard devices are given out",
                              "remove --device, or grant it in \"devices\" of an entry of \"exceptions\""})) {
      kept.push_back(device);
    }
  }
  section.devices = std::move(kept);
  if (!section.resources) section.resources.emplace();
  judge_device_rules(policy, section.resources->devices, section.devices, "linux.resources.devices", log);
  if (section.resources == oci::Resources{}) section.resources.reset();

  if (section.net_devices.empty()) return;
  std::vector<std::string> names;
  names.reserve(section.net_devices.size());
  for (const auto& entry : section.net_devices) names.push_back(entry.first);
  if (log.rewrites(Rule::kDevicesNetwork, {"linux.netDevices", word_list(names), "",
                                           "a network device of the host carries the host's traffic",
                                           "let the engine's network make one"})) {
    section.net_devices.clear();
  }
}

}  // namespace gabion::policy
