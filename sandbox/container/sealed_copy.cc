#include "container/sealed_copy.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "kernel/mount.h"

namespace gabion::container {

namespace {

constexpr const char* kOwnBinary = "/proc/self/exe";
constexpr const char* kProtect = "protect the runtime's binary";
constexpr size_t kArgumentsLimit = size_t{8} << 20;  // execve(2): a quarter of the stack limit, 6 MB at most

// The root of a mount without a mount namespace has no path but "/" (d_path()), which no program that
// was executed from a directory can show.
Result<bool> is_sealed() {
  char path[8];
  const ssize_t size = ::readlink(kOwnBinary, path, sizeof(path));
  if (size < 0) return sys_error(concat({"readlink ", kOwnBinary}));
  struct statvfs info {};
  if (::statvfs(kOwnBinary, &info) != 0) return sys_error(concat({"statvfs ", kOwnBinary}));
  return std::string_view(path, static_cast<size_t>(size)) == "/" && (info.f_flag & ST_RDONLY) != 0;
}

}  // namespace

bool reaches_host_root(const oci::Spec& spec) {
  const auto& namespaces = spec.linux_.namespaces;
  const auto user = std::find_if(namespaces.begin(), namespaces.end(), [](const oci::Namespace& entry) {
    return entry.type == oci::NamespaceType::kUser;
  });
  // The maps of a joined one are another's business.
  if (user == namespaces.end() || !user->path.empty()) return true;
  return std::any_of(spec.linux_.uid_mappings.begin(), spec.linux_.uid_mappings.end(),
                     [](const oci::IdMapping& entry) { return entry.host_id == 0 && entry.size != 0; });
}

Result<Fd> sealed_copy() {
  const Fd binary = TRY_AT(open_path(kOwnBinary, O_PATH), kProtect);
  Fd copy = TRY_AT(kernel::clone_tree(binary.get(), false), kProtect);
  kernel::MountAttributes attributes;
  attributes.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  TRY_AT(kernel::set_attributes(copy.get(), attributes), kProtect);
  return copy;
}

Status run_from_sealed_copy() {
  const bool sealed = TRY(is_sealed());
  if (sealed) return ok_status();
  const Fd copy = TRY(sealed_copy());
  std::string arguments = TRY(read_file("/proc/self/cmdline", kArgumentsLimit));
  std::vector<char*> argv;
  for (size_t start = 0; start < arguments.size(); start = arguments.find('\0', start) + 1) {
    argv.push_back(arguments.data() + start);
    if (arguments.find('\0', start) == std::string::npos) break;
  }
  argv.push_back(nullptr);
  (void)::syscall(SYS_execveat, copy.get(), "", argv.data(), ::environ, AT_EMPTY_PATH);
  return sys_error(concat({kProtect, ": execute a read-only copy of it"}));
}

}  // namespace gabion::container
