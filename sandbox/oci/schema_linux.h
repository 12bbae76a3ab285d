// The field tables of `linux`, `linux.resources` aside.
#pragma once

#include "oci/schema.h"

namespace gabion::oci {

template <typename V, Is<Namespace> S>
void fields(V& visitor, S& entry) {
  visitor.always("type", entry.type);
  visitor.field("path", entry.path);
}

template <typename V, Is<TimeOffset> S>
void fields(V& visitor, S& offset) {
  visitor.field("secs", offset.secs);
  visitor.field("nanosecs", offset.nanosecs);
}

template <typename V, Is<Device> S>
void fields(V& visitor, S& device) {
  visitor.always("path", device.path);
  visitor.always("type", device.type);
  visitor.always("major", device.major);
  visitor.always("minor", device.minor);
  visitor.field("fileMode", device.file_mode);
  visitor.field("uid", device.uid);
  visitor.field("gid", device.gid);
}

template <typename V, Is<SeccompArg> S>
void fields(V& visitor, S& arg) {
  visitor.always("index", arg.index);
  visitor.always("value", arg.value);
  visitor.field("valueTwo", arg.value_two);
  visitor.always("op", arg.op);
}

template <typename V, Is<SeccompSyscall> S>
void fields(V& visitor, S& syscall) {
  visitor.always("names", syscall.names);
  visitor.always("action", syscall.action);
  visitor.field("errnoRet", syscall.errno_ret);
  visitor.field("args", syscall.args);
}

template <typename V, Is<Seccomp> S>
void fields(V& visitor, S& seccomp) {
  visitor.always("defaultAction", seccomp.default_action);
  visitor.field("defaultErrnoRet", seccomp.default_errno_ret);
  visitor.field("architectures", seccomp.architectures);
  visitor.field("flags", seccomp.flags);
  visitor.field("listenerPath", seccomp.listener_path);
  visitor.field("listenerMetadata", seccomp.listener_metadata);
  visitor.field("syscalls", seccomp.syscalls);
}

template <typename V, Is<Personality> S>
void fields(V& visitor, S& personality) {
  visitor.always("domain", personality.domain);
  visitor.field("flags", personality.flags);
}

template <typename V, Is<NetDevice> S>
void fields(V& visitor, S& device) {
  visitor.field("name", device.name);
}

template <typename V, Is<MemoryPolicy> S>
void fields(V& visitor, S& policy) {
  visitor.always("mode", policy.mode);
  visitor.field("nodes", policy.nodes);
  visitor.field("flags", policy.flags);
}

template <typename V, Is<Linux> S>
void fields(V& visitor, S& section) {
  visitor.field("uidMappings", section.uid_mappings);
  visitor.field("gidMappings", section.gid_mappings);
  visitor.field("sysctl", section.sysctl);
  visitor.field("resources", section.resources);
  visitor.field("cgroupsPath", section.cgroups_path);
  visitor.field("namespaces", section.namespaces);
  visitor.field("devices", section.devices);
  visitor.field("netDevices", section.net_devices);
  visitor.field("seccomp", section.seccomp);
  visitor.field("rootfsPropagation", section.rootfs_propagation);
  visitor.field("maskedPaths", section.masked_paths);
  visitor.field("readonlyPaths", section.readonly_paths);
  visitor.field("mountLabel", section.mount_label);
  visitor.presence("intelRdt", section.has_intel_rdt);
  visitor.field("memoryPolicy", section.memory_policy);
  visitor.field("personality", section.personality);
  visitor.field("timeOffsets", section.time_offsets);
}

}  // namespace gabion::oci
