// runc's default config: what `runc spec` prints, field for field.
#include "oci/features.h"

namespace gabion::oci {

namespace {

using Options = std::vector<std::string>;

Mount mount(std::string destination, std::string type, std::string source, Options options = {}) {
  Mount result;
  result.destination = std::move(destination);
  result.type = std::move(type);
  result.source = std::move(source);
  result.options = std::move(options);
  return result;
}

std::vector<Mount> mounts() {
  return {
      mount("/proc", "proc", "proc"),
      mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount("/dev/pts", "devpts", "devpts",
            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
      mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
      mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
      mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}),
  };
}

Process process() {
  const std::vector<std::string> capabilities = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
  Process result;
  result.terminal = true;
  result.args = {"sh"};
  result.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"};
  result.cwd = "/";
  Capabilities sets;
  sets.bounding = capabilities;
  sets.effective = capabilities;
  sets.permitted = capabilities;
  sets.ambient = capabilities;
  result.capabilities = std::move(sets);
  result.rlimits = {Rlimit{.type = "RLIMIT_NOFILE", .soft = 1024, .hard = 1024}};
  result.no_new_privileges = true;
  return result;
}

Linux linux_section() {
  DeviceRule deny_all;
  deny_all.access = "rwm";
  Linux result;
  result.resources.emplace().devices = {deny_all};
  for (NamespaceType type : {NamespaceType::kPid, NamespaceType::kNetwork, NamespaceType::kIpc,
                             NamespaceType::kUts, NamespaceType::kMount}) {
    result.namespaces.push_back(Namespace{.type = type, .path = ""});
  }
  result.masked_paths = {"/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
                         "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                         "/sys/firmware",       "/proc/scsi"};
  result.readonly_paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  return result;
}

}  // namespace

Spec example_spec() {
  Spec spec;
  spec.oci_version = "1.2.0";
  spec.process = process();
  spec.root = Root{.path = "rootfs", .readonly = true};
  spec.hostname = "runc";
  spec.mounts = mounts();
  spec.linux_ = linux_section();
  return spec;
}

}  // namespace gabion::oci
