#include "shim/containerd/rootfs.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "kernel/loop_device.h"
#include "kernel/mount.h"
#include "kernel/mount_options.h"
#include "kernel/mountinfo.h"

namespace gabion::shim {

namespace {

constexpr std::string_view kLower = "lowerdir=";
constexpr std::string_view kUpper = "upperdir=";

std::string join(const std::vector<std::string>& parts, char separator) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += separator;
    out += part;
  }
  return out;
}

// The deepest directory all of them are below.
std::string common_directory(const std::vector<std::string_view>& paths) {
  std::string_view common = paths.front();
  for (const std::string_view path : paths) {
    const size_t length = std::min(common.size(), path.size());
    const auto end =
        std::mismatch(common.begin(), common.begin() + static_cast<std::ptrdiff_t>(length), path.begin());
    common = common.substr(0, static_cast<size_t>(end.first - common.begin()));
  }
  return std::string(common.substr(0, common.rfind('/') + 1));
}

unsigned long classic_flags(uint64_t attributes) {
  unsigned long flags = 0;
  for (const auto& [attribute, flag] : {std::pair<uint64_t, unsigned long>{MOUNT_ATTR_RDONLY, MS_RDONLY},
                                        {MOUNT_ATTR_NOSUID, MS_NOSUID},
                                        {MOUNT_ATTR_NODEV, MS_NODEV},
                                        {MOUNT_ATTR_NOEXEC, MS_NOEXEC}}) {
    if ((attributes & attribute) != 0) flags |= flag;
  }
  return flags;
}

Status mount_overlay(const proto::Mount& mount, const std::string& target) {
  const kernel::MountOptions parsed = kernel::parse_mount_options(mount.options);
  std::vector<std::string> data;
  data.reserve(parsed.data.size());
  for (const kernel::FilesystemOption& option : parsed.data) {
    data.push_back(option.flag ? option.key : option.key + "=" + option.value);
  }
  const OverlayOptions options = TRY(overlay_options(data, static_cast<size_t>(::sysconf(_SC_PAGESIZE))));
  const Fd here = TRY(open_path(".", O_PATH | O_DIRECTORY));
  if (!options.directory.empty() && ::chdir(options.directory.c_str()) != 0) {
    return sys_error(concat({"chdir ", options.directory}));
  }
  const int result = ::mount("overlay", target.c_str(), "overlay", classic_flags(parsed.attributes.set),
                             options.text.c_str());
  const int error = errno;
  if (::fchdir(here.get()) != 0) return sys_error("fchdir");
  if (result != 0) return sys_error("mount overlay", error);
  return ok_status();
}

Status mount_bind(const proto::Mount& mount, const kernel::MountOptions& options, int target) {
  const Fd source = TRY_AT(open_path(mount.source, O_PATH), mount.source);
  const Fd copy = TRY(kernel::clone_tree(source.get(), options.recursive_bind));
  if (!options.attributes.empty()) TRY(kernel::set_attributes(copy.get(), options.attributes));
  return kernel::attach(copy.get(), target);
}

// The layers are shifted later, each by itself: until then they show what is on disk.
Result<proto::Mount> without_ids(proto::Mount mount, const std::optional<container::RootIds>& ids) {
  std::erase_if(mount.options, is_id_map);
  if (!ids) return mount;
  for (const std::string& option : mount.options) {
    if (option.starts_with(kUpper)) TRY(restore_owner(option.substr(kUpper.size()), *ids));
  }
  return mount;
}

// A file that holds a file system. The device is the mount's alone as soon as there is one.
Status mount_file(const proto::Mount& mount, kernel::MountOptions options, int target) {
  const bool read_only = (options.attributes.set & MOUNT_ATTR_RDONLY) != 0;
  std::erase_if(options.data, [](const kernel::FilesystemOption& option) { return option.key == "loop"; });
  // The mount's attribute alone would not do for a device that cannot be written to.
  if (read_only) options.data.push_back({.key = "ro", .value = {}, .flag = true});
  const kernel::LoopDevice device = TRY(kernel::attach_loop(mount.source, read_only));
  const Fd made = TRY(kernel::new_filesystem(mount.type, device.path, options.data, options.attributes.set));
  return kernel::attach(made.get(), target);
}

// What was mounted before is the image's, and so are its links.
Result<Fd> open_target(const proto::Mount& mount, const std::string& root) {
  const Fd top = TRY(open_path(root, O_PATH | O_DIRECTORY));
  return open_in_root(top.get(), mount.target.empty() ? "." : mount.target, O_PATH | O_DIRECTORY);
}

Status mount_one(const proto::Mount& mount, const std::string& root) {
  const Fd target = TRY(open_target(mount, root));
  if (mount.type == "overlay") {
    return mount_overlay(mount, concat({"/proc/self/fd/", std::to_string(target.get())}));
  }
  const kernel::MountOptions options = kernel::parse_mount_options(mount.options);
  if (mount.type == "bind" || options.bind) return mount_bind(mount, options, target.get());
  if (mount.type.starts_with("fuse.") || mount.type.starts_with("fuse3.")) {
    return make_error(Code::kUnsupported,
                      concat({"a root file system of type ", mount.type,
                              " is mounted by a program of its own, which the shim does not run"}));
  }
  for (const kernel::FilesystemOption& option : options.data) {
    if (option.key == "loop") return mount_file(mount, options, target.get());
  }
  const Fd made = TRY(kernel::new_filesystem(mount.type, mount.source, options.data, options.attributes.set));
  return kernel::attach(made.get(), target.get());
}

// An overlay that is the whole root and nothing but its layers: a view shows the same.
bool is_plain_overlay(const proto::Mount& mount) {
  if (mount.type != "overlay" || !mount.target.empty()) return false;
  const kernel::MountOptions options = kernel::parse_mount_options(mount.options);
  auto names_layers = [](const kernel::FilesystemOption& option) {
    return option.key == "lowerdir" || option.key == "upperdir" || option.key == "workdir" ||
           option.key == "index";
  };
  return options.attributes.set == 0 && std::all_of(options.data.begin(), options.data.end(), names_layers);
}

Result<container::RootView> mount_view(const proto::Mount& mount, const std::string& root) {
  container::RootView view;
  view.overlay = TRY(kernel::parse_overlay_options(join(mount.options, ',')));
  const Fd target = TRY(open_target(mount, root));
  TRY(kernel::mount_overlay_view(view.overlay, target.get()));
  const Fd mounted = TRY(open_target(mount, root));
  view.mount = TRY(kernel::mount_id(mounted.get()));
  view.mount_overlay = [mount, root] { return mount_one(mount, root); };
  return view;
}

}  // namespace

Result<OverlayOptions> overlay_options(const std::vector<std::string>& options, size_t page) {
  OverlayOptions made{.directory = {}, .text = join(options, ',')};
  if (made.text.size() < page) return made;
  std::vector<std::string> shorter = options;
  for (std::string& option : shorter) {
    if (!option.starts_with(kLower)) continue;
    const std::string_view layers = std::string_view(option).substr(kLower.size());
    made.directory = common_directory(split(layers, ':'));
    if (made.directory.size() < 2) break;
    std::vector<std::string> relative;
    for (const std::string_view layer : split(layers, ':')) {
      relative.emplace_back(layer.substr(made.directory.size()));
    }
    option = concat({kLower, join(relative, ':')});
  }
  made.text = join(shorter, ',');
  if (made.text.size() < page) return made;
  return make_error(Code::kUnsupported,
                    concat({"mount overlay: the image has more layers than one page of options names (",
                            std::to_string(made.text.size()), " bytes)"}));
}

Result<std::optional<container::RootView>> mount_rootfs(const RootMounts& root, const std::string& target) {
  std::optional<container::RootView> view;
  if (root.mounts.empty()) return view;
  if (::unshare(CLONE_NEWNS) != 0) return sys_error("rootfs: a mount namespace of its own");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    return sys_error("rootfs: propagation");
  if (::mkdir(target.c_str(), 0711) != 0 && errno != EEXIST) return sys_error(concat({"mkdir ", target}));
  for (const proto::Mount& mount : root.mounts) {
    const proto::Mount plain = TRY(without_ids(mount, root.ids));
    const bool last = &mount == &root.mounts.back();
    if (last && root.shifted && is_plain_overlay(plain)) {
      view = TRY_AT(mount_view(plain, target), "rootfs");
    } else {
      TRY_AT(mount_one(plain, target), "rootfs");
    }
  }
  return view;
}

}  // namespace gabion::shim
