// Which file systems can be idmapped, and an overlay made of idmapped layers.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/path.h"
#include "base/text.h"
#include "container/survey_filesystem.h"
#include "kernel/mount.h"
#include "kernel/overlay.h"
#include "node/checks.h"
#include "node/engine_files.h"
#include "node/trial.h"

namespace gabion::node {
namespace {

// In the trial's private mount namespace only: any directory that is always there.
constexpr const char* kStage = "/run";

constexpr const char* kIdmapFix =
    "put images and volumes on ext4, xfs or btrfs; a container from here is refused";

bool is_directory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// Where `path` is or will be: itself or the nearest directory above that exists.
std::string nearest(std::string path) {
  while (path.size() > 1 && !is_directory(path)) path.resize(std::max<size_t>(path.rfind('/'), 1));
  return path;
}

// The mount is detached: nothing of it remains.
Status try_idmap(const std::string& path, int user_namespace) {
  const Fd directory = TRY(open_path(path, O_PATH | O_DIRECTORY));
  const Fd tree = TRY(kernel::clone_tree(directory.get(), false));
  return kernel::idmap(tree.get(), user_namespace, false);
}

std::string filesystem_of(const std::string& path) {
  const Result<Fd> directory = open_path(path, O_PATH | O_DIRECTORY);
  const std::string name = directory.ok() ? container::filesystem_name(directory->get()) : "";
  return name.empty() ? "an unknown file system" : name;
}

// In the mount namespace that is made for it: layers idmapped, then an overlay of them, as an engine's image
// is. Its root must show the container's ids.
Status build_overlay(const std::vector<std::string>& directories, int user_namespace, uint32_t base) {
  kernel::OverlayLayout layout;
  layout.lower = directories;
  kernel::OverlayLayers layers = TRY(kernel::open_layers(layout));
  const Fd merged = TRY(kernel::build_read_only_overlay(std::move(layers), user_namespace, kStage));
  struct stat info {};
  if (::fstat(merged.get(), &info) != 0) return sys_error("stat of the overlay");
  if (info.st_uid == base) return ok_status();
  return make_error(Code::kInternal, concat({"the overlay's root belongs to ", std::to_string(info.st_uid),
                                             ", not to the container's ", std::to_string(base)}));
}

// The directories are the only thing this command makes on a file system of the host.
Status try_overlay(const std::string& path, int user_namespace, uint32_t base) {
  const auto with_directories = [&]() -> Status {
    const TemporaryDirectory upper = TRY(TemporaryDirectory::make(path));
    const TemporaryDirectory lower = TRY(TemporaryDirectory::make(path));
    return in_mount_namespace([&]() {
      return build_overlay({upper.path(), lower.path()}, user_namespace, base);
    });
  };
  return in_child(with_directories, Ending::kOnItsOwn);
}

void check_overlay(const Subject& subject, const std::string& path, Findings& findings) {
  const Status made = try_overlay(path, subject.user_namespace.get(), subject.first_id);
  if (made.ok()) {
    findings.push_back(passed("overlay", "can be made of idmapped layers", path));
  } else if (made.error().sys_errno == EROFS) {
    findings.push_back(warned("overlay", "not tried: read-only", "mount it writable and check again", path));
  } else {
    findings.push_back(failed("overlay", made.error().message(),
                              "load overlayfs (modprobe overlay; echo overlay > "
                              "/etc/modules-load.d/overlay.conf), or use a file system that can be its layer",
                              path));
  }
}

void check_store(const Subject& subject, const std::string& path, Findings& findings) {
  if (!is_directory(path)) {
    findings.push_back(failed("idmap", "no such directory", "name a directory that exists", path));
    return;
  }
  const Status shifted = try_idmap(path, subject.user_namespace.get());
  const std::string filesystem = filesystem_of(path);
  if (!shifted.ok()) {
    findings.push_back(
        failed("idmap", concat({filesystem, ": ", shifted.error().message()}), kIdmapFix, path));
    return;
  }
  findings.push_back(passed("idmap", concat({filesystem, ", can be idmapped"}), path));
  check_overlay(subject, path, findings);
}

// Nothing of a state directory is ever shown in a container, so its file system need not be able to.
void check_state_directory(const Subject& subject, Findings& findings) {
  const std::string place = nearest(clean_path(subject.request.root));
  const Status shifted = try_idmap(place, subject.user_namespace.get());
  const std::string filesystem = filesystem_of(place);
  findings.push_back(shifted.ok()
                         ? passed("idmap", concat({filesystem, ", can be idmapped"}), place)
                         : warned("idmap", concat({filesystem, ": ", shifted.error().message()}),
                                  "keep what containers bind out of here; the state itself does not need it",
                                  place));
}

void check_tmpfs(const Subject& subject, Findings& findings) {
  const Result<Fd> tmpfs = kernel::new_filesystem("tmpfs", "gabion-check", {}, 0);
  const Status shifted =
      tmpfs.ok() ? kernel::idmap(tmpfs->get(), subject.user_namespace.get(), false) : Status(tmpfs.error());
  findings.push_back(shifted.ok()
                         ? passed("tmpfs-idmap", "a tmpfs can be idmapped")
                         : warned("tmpfs-idmap", shifted.error().message(),
                                  "boot Linux 6.3 or newer; until then a bind from a tmpfs is refused"));
}

// The engines' directories that exist; /var/lib, where they will be, when none does.
std::vector<std::string> stores(const Request& request) {
  if (!request.paths.empty()) return request.paths;
  std::vector<std::string> found;
  for (const std::string& path : {docker_data_root(request), containerd_root(request)}) {
    if (is_directory(path)) found.push_back(path);
  }
  if (found.empty()) found.push_back(nearest("/var/lib"));
  return found;
}

}  // namespace

void check_filesystems(const Subject& subject, Findings& findings) {
  if (!subject.user_namespace.valid()) {
    findings.push_back(failed("idmap", "not tried: there is no user namespace to shift ids by",
                              "cure user-namespace first"));
    return;
  }
  check_state_directory(subject, findings);
  for (const std::string& path : stores(subject.request)) check_store(subject, path, findings);
  check_tmpfs(subject, findings);
}

}  // namespace gabion::node
