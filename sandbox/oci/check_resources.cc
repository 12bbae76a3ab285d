// The rules of `linux.resources`. What becomes part of a cgroup file's name is checked with care:
// these files are opened as root.
#include "oci/check_detail.h"

namespace gabion::oci {

namespace {

using detail::at;
using detail::invalid;
using detail::quoted;

Status check_device_rule(std::string_view path, const DeviceRule& rule) {
  if (!rule.type.empty() && rule.type != "a" && rule.type != "b" && rule.type != "c") {
    return invalid(path, "invalid device type " + quoted(rule.type) + ": expected a, b or c");
  }
  if (rule.access.find_first_not_of("rwm") != std::string::npos) {
    return invalid(path, "invalid device access " + quoted(rule.access) + ": expected some of rwm");
  }
  for (const auto& number : {rule.major, rule.minor}) {
    if (number && (*number < 0 || *number > UINT32_MAX)) {
      return invalid(path, "device number " + std::to_string(*number) + " is out of range");
    }
  }
  return ok_status();
}

// "64KB", "2MB", "1GB": the "<size>" of hugetlb.<size>.limit_in_bytes.
bool is_page_size(std::string_view text) {
  const size_t digits = text.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos || text.front() == '0') return false;
  const std::string_view unit = text.substr(digits);
  return unit == "KB" || unit == "MB" || unit == "GB";
}

// rdma.max and net_cls files hold "name value" lines: a blank in a name would be another rule.
bool is_word(std::string_view text) {
  return !text.empty() && text.find_first_of(" \t\r\n") == std::string_view::npos;
}

Status check_unified(const Resources& resources) {
  for (const auto& [file, value] : resources.unified) {
    if (file.empty() || file == "." || file == ".." || file.find('/') != std::string::npos) {
      return invalid("linux.resources.unified",
                     "unified resource " + quoted(file) + " must be a file name (no slashes)");
    }
  }
  return ok_status();
}

}  // namespace

Status check_resources(const Resources& resources) {
  for (size_t i = 0; i < resources.devices.size(); ++i) {
    TRY(check_device_rule(at("linux.resources.devices", i), resources.devices[i]));
  }
  for (size_t i = 0; i < resources.hugepage_limits.size(); ++i) {
    if (!is_page_size(resources.hugepage_limits[i].page_size)) {
      return invalid(at("linux.resources.hugepageLimits", i),
                     "invalid pageSize " + quoted(resources.hugepage_limits[i].page_size) +
                         ": expected a size such as 64KB, 2MB or 1GB");
    }
  }
  if (resources.network) {
    for (size_t i = 0; i < resources.network->priorities.size(); ++i) {
      if (!is_word(resources.network->priorities[i].name)) {
        return invalid(at("linux.resources.network.priorities", i), "name is not an interface name");
      }
    }
  }
  for (const auto& [device, limit] : resources.rdma) {
    if (!is_word(device)) return invalid("linux.resources.rdma", quoted(device) + " is not a device name");
  }
  return check_unified(resources);
}

}  // namespace gabion::oci
