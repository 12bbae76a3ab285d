// The rules of `linux`, and those that tie it to the rest of the Spec.
#include <algorithm>
#include <cstdint>

#include "oci/check_detail.h"
#include "oci/names.h"
#include "oci/schema.h"

namespace gabion::oci::detail {

namespace {

const Namespace* find_namespace(const Linux& section, NamespaceType type) {
  auto found = std::find_if(section.namespaces.begin(), section.namespaces.end(),
                            [type](const Namespace& entry) { return entry.type == type; });
  return found == section.namespaces.end() ? nullptr : &*found;
}

Status check_namespaces(const Linux& section) {
  for (size_t i = 0; i < section.namespaces.size(); ++i) {
    const Namespace& entry = section.namespaces[i];
    // The first of its type must be itself; there are eight types, so the search is short.
    if (find_namespace(section, entry.type) != &entry) {
      return invalid("", "malformed spec file: duplicated ns " + quoted(namespace_name(entry.type)));
    }
    if (!entry.path.empty() && !is_absolute(entry.path)) {
      return invalid(at("linux.namespaces", i), "path must be absolute: " + quoted(entry.path));
    }
  }
  return ok_status();
}

Status check_mappings(std::string_view path, const std::vector<IdMapping>& mappings) {
  for (size_t i = 0; i < mappings.size(); ++i) {
    const IdMapping& mapping = mappings[i];
    if (mapping.size == 0) return invalid(at(path, i), "size must not be zero");
    // user_namespaces(7): 2^32-1 is no id, so a range ends below it on either side.
    const uint64_t first = std::max(mapping.container_id, mapping.host_id);
    if (first + mapping.size > UINT32_MAX) return invalid(at(path, i), "range passes the last id");
  }
  return ok_status();
}

Status check_user_namespace(const Linux& section) {
  TRY(check_mappings("linux.uidMappings", section.uid_mappings));
  TRY(check_mappings("linux.gidMappings", section.gid_mappings));
  const Namespace* user = find_namespace(section, NamespaceType::kUser);
  if (user == nullptr) {
    if (section.uid_mappings.empty() && section.gid_mappings.empty()) return ok_status();
    return invalid("", "user namespace mappings specified, but user namespace isn't enabled in the config");
  }
  // Joining by path with mappings beside it is how Kubernetes' pods come: the mappings describe what
  // is joined.
  if (!user->path.empty()) return ok_status();
  if (section.uid_mappings.empty()) return invalid("", "user namespaces enabled, but no uid mappings found");
  if (section.gid_mappings.empty()) return invalid("", "user namespaces enabled, but no gid mappings found");
  return ok_status();
}

Status check_time(const Linux& section) {
  if (section.time_offsets.empty()) return ok_status();
  if (find_namespace(section, NamespaceType::kTime) == nullptr) {
    return invalid("", "time namespace offsets specified, but time namespace isn't enabled in the config");
  }
  for (const auto& [clock, offset] : section.time_offsets) {
    if (!names::contains(names::kTimeClocks, clock)) {
      return invalid("linux.timeOffsets", "unknown clock " + quoted(clock));
    }
    if (offset.nanosecs >= 1'000'000'000) {
      return invalid("linux.timeOffsets." + clock, "nanosecs must be below 1000000000");
    }
  }
  return ok_status();
}

Status check_needed_namespaces(const Spec& spec) {
  const Linux& section = spec.linux_;
  const bool private_uts = find_namespace(section, NamespaceType::kUts) != nullptr;
  if (!spec.hostname.empty() && !private_uts) {
    return invalid("", "unable to set hostname without a private UTS namespace");
  }
  if (!spec.domainname.empty() && !private_uts) {
    return invalid("", "unable to set domainname without a private UTS namespace");
  }
  const bool restricts = !section.masked_paths.empty() || !section.readonly_paths.empty();
  if (restricts && find_namespace(section, NamespaceType::kMount) == nullptr) {
    return invalid("", "unable to restrict sys entries without a private MNT namespace");
  }
  return ok_status();
}

Status check_devices(const std::vector<Device>& devices) {
  for (size_t i = 0; i < devices.size(); ++i) {
    const Device& device = devices[i];
    if (!is_absolute(device.path)) {
      return invalid(at("linux.devices", i), "path must be absolute: " + quoted(device.path));
    }
    const bool fifo = device.type == "p";
    if (!fifo && device.type != "c" && device.type != "b" && device.type != "u") {
      return invalid(at("linux.devices", i),
                     "invalid device type " + quoted(device.type) + ": expected c, b, u or p");
    }
    // mknod(2) takes 32-bit numbers; the kernel's own are 12 and 20 bits wide and it refuses more.
    if (!fifo &&
        (device.major < 0 || device.minor < 0 || device.major > UINT32_MAX || device.minor > UINT32_MAX)) {
      return invalid(at("linux.devices", i), "device number is out of range");
    }
  }
  return ok_status();
}

Status check_absolute(std::string_view name, const std::vector<std::string>& paths) {
  for (size_t i = 0; i < paths.size(); ++i) {
    if (!is_absolute(paths[i])) return invalid(at(name, i), "path must be absolute: " + quoted(paths[i]));
  }
  return ok_status();
}

Status check_unsupported(const Linux& section) {
  if (section.has_intel_rdt) {
    return unsupported("linux.intelRdt", "Intel RDT is not supported; remove the field");
  }
  if (!section.net_devices.empty()) {
    return unsupported("linux.netDevices",
                       "moving network devices into a container is not supported; remove the field");
  }
  if (section.personality && !section.personality->flags.empty()) {
    return unsupported("linux.personality.flags", "the specification defines no flags; remove the field");
  }
  return ok_status();
}

// set_mempolicy(2): which modes have nodes is the kernel's to say.
Status check_memory_policy(const MemoryPolicy& policy) {
  constexpr std::string_view kPath = "linux.memoryPolicy";
  if (!names::contains(names::kMemoryModes, policy.mode)) {
    return invalid(kPath, "invalid mode " + quoted(policy.mode));
  }
  for (const std::string& flag : policy.flags) {
    if (!names::contains(names::kMemoryFlags, flag)) return invalid(kPath, "invalid flag " + quoted(flag));
  }
  if (policy.nodes.find_first_not_of("0123456789-, ") != std::string::npos) {
    return invalid(kPath, "expected a list of nodes such as \"0-3,7\", found " + quoted(policy.nodes));
  }
  return ok_status();
}

}  // namespace

Status check_linux(const Spec& spec) {
  const Linux& section = spec.linux_;
  TRY(check_unsupported(section));
  if (section.memory_policy) TRY(check_memory_policy(*section.memory_policy));
  if (!section.rootfs_propagation.empty() &&
      !names::contains(names::kPropagations, section.rootfs_propagation)) {
    return invalid("", "rootfsPropagation=" + json::escape(section.rootfs_propagation.substr(0, 64)) +
                           " is not supported");
  }
  TRY(check_namespaces(section));
  TRY(check_user_namespace(section));
  TRY(check_time(section));
  TRY(check_needed_namespaces(spec));
  TRY(check_devices(section.devices));
  TRY(check_absolute("linux.maskedPaths", section.masked_paths));
  TRY(check_absolute("linux.readonlyPaths", section.readonly_paths));
  if (section.personality && !names::contains(names::kPersonalityDomains, section.personality->domain)) {
    return invalid("linux.personality", "unknown domain " + quoted(section.personality->domain));
  }
  if (section.seccomp) TRY(check_seccomp(*section.seccomp));
  if (section.resources) TRY(check_resources(*section.resources));
  return ok_status();
}

}  // namespace gabion::oci::detail
