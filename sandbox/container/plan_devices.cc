// The devices of /dev, and the node masks are made of.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/path.h"
#include "base/text.h"
#include "container/plan_parts.h"
#include "kernel/mount.h"

namespace gabion::container {

namespace {

// config-linux.md, "Default Devices" and runtime-linux.md, "Dev symbolic links".
constexpr std::pair<const char*, const char*> kDeviceLinks[] = {{"/dev/fd", "/proc/self/fd"},
                                                                {"/dev/stdin", "/proc/self/fd/0"},
                                                                {"/dev/stdout", "/proc/self/fd/1"},
                                                                {"/dev/stderr", "/proc/self/fd/2"},
                                                                {"/dev/ptmx", "pts/ptmx"}};

// The file masks are made of. An attacker who can put another file at /dev/null of the host has
// already won, but a runtime running in a container has been fooled so (CVE-2025-31133).
Result<Fd> open_null_device() {
  Fd fd = TRY(open_path("/dev/null", O_PATH | O_NOFOLLOW));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return sys_error("stat /dev/null");
  if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(1, 3)) {
    return make_error(Code::kInternal, "the host's /dev/null is not character device 1:3");
  }
  return kernel::clone_tree(fd.get(), false);
}

}  // namespace

Status plan_devices(Plan& plan, const oci::Spec& spec) {
  // config-linux.md, "Default Devices"; /dev/console and /dev/ptmx are made by the launch.
  static constexpr struct {
    const char* path;
    unsigned major;
    unsigned minor;
  } kStandard[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
                   {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};
  const NamespacePlan& namespaces = plan.namespaces;
  std::vector<DeviceNode>& nodes = plan.devices;
  for (const auto& device : kStandard) {
    DeviceNode node;
    node.path = device.path;
    node.mode = S_IFCHR | 0666;
    node.device = makedev(device.major, device.minor);
    node.uid = kernel::map_to_host(namespaces.uids, 0);
    node.gid = kernel::map_to_host(namespaces.gids, 0);
    nodes.push_back(std::move(node));
  }
  for (const oci::Device& device : spec.linux_.devices) {
    DeviceNode node;
    node.path = clean_path(device.path);
    mode_t type = S_IFCHR;
    if (device.type == "b") type = S_IFBLK;
    if (device.type == "p") type = S_IFIFO;
    node.mode = type | (device.file_mode.value_or(0666) & 07777);
    node.device = makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
    node.uid = kernel::map_to_host(namespaces.uids, device.uid.value_or(0));
    node.gid = kernel::map_to_host(namespaces.gids, device.gid.value_or(0));
    std::erase_if(nodes, [&](const DeviceNode& known) { return known.path == node.path; });
    nodes.push_back(std::move(node));
  }
  for (const auto& [path, target] : kDeviceLinks) plan.links.emplace_back(path, target);
  plan.null_device = TRY(open_null_device());
  return ok_status();
}

}  // namespace gabion::container
