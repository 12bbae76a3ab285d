#include "kernel/mount.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

namespace gabion::kernel {

Result<Fd> clone_tree(int fd, bool recursive) {
  const unsigned flags =
      AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0U);
  const int tree = ::open_tree(fd, "", flags);
  if (tree < 0) return sys_error("open_tree");
  return Fd(tree);
}

FilesystemOption filesystem_option(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) return {std::string(text), "", true};
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)), false};
}

namespace {

// fsopen(2): errors are queued on the context as "e <message>" records, one per read.
std::string context_message(int context) {
  char buffer[512];
  std::string text;
  while (true) {
    const ssize_t size = ::read(context, buffer, sizeof(buffer));
    if (size <= 0) return text;
    std::string_view record(buffer, static_cast<size_t>(size));
    if (record.size() > 2 && record[1] == ' ') record.remove_prefix(2);
    if (!text.empty()) text += "; ";
    text += trim(record);
  }
}

Error context_error(int context, std::string what) {
  const int error_number = errno;
  const std::string message = context_message(context);
  if (!message.empty()) what += concat({" (", message, ")"});
  return sys_error(std::move(what), error_number);
}

}  // namespace

Result<Fd> new_filesystem(const std::string& type, const std::string& source,
                          const std::vector<FilesystemOption>& options, uint64_t attributes) {
  const Fd context(::fsopen(type.c_str(), FSOPEN_CLOEXEC));
  if (!context.valid()) return sys_error(concat({"filesystem ", type}));
  if (!source.empty() && ::fsconfig(context.get(), FSCONFIG_SET_STRING, "source", source.c_str(), 0) != 0) {
    return context_error(context.get(), concat({type, ": source ", source}));
  }
  for (const FilesystemOption& option : options) {
    const int done =
        option.flag
            ? ::fsconfig(context.get(), FSCONFIG_SET_FLAG, option.key.c_str(), nullptr, 0)
            : ::fsconfig(context.get(), FSCONFIG_SET_STRING, option.key.c_str(), option.value.c_str(), 0);
    if (done != 0) {
      return context_error(context.get(),
                           concat({type, ": option ", option.key, option.flag ? "" : "=", option.value}));
    }
  }
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return context_error(context.get(), concat({"create ", type}));
  }
  const int mount = ::fsmount(context.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes));
  if (mount < 0) return context_error(context.get(), concat({"fsmount ", type}));
  return Fd(mount);
}

Status set_attributes(int mount, const MountAttributes& attributes) {
  if (attributes.empty()) return ok_status();
  mount_attr request{};
  request.attr_set = attributes.set;
  request.attr_clr = attributes.clear;
  request.propagation = attributes.propagation;
  // The atime settings are one field, not bits: replacing one needs the whole field cleared.
  if ((request.attr_set & MOUNT_ATTR__ATIME) != 0 || (request.attr_clr & MOUNT_ATTR__ATIME) != 0) {
    request.attr_clr |= MOUNT_ATTR__ATIME;
  }
  const unsigned flags = AT_EMPTY_PATH | (attributes.recursive ? AT_RECURSIVE : 0U);
  if (::mount_setattr(mount, "", flags, &request, sizeof(request)) != 0) return sys_error("mount_setattr");
  return ok_status();
}

Status idmap(int mount, int user_namespace, bool recursive) {
  mount_attr request{};
  request.attr_set = MOUNT_ATTR_IDMAP;
  request.userns_fd = static_cast<uint64_t>(user_namespace);
  const unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);
  if (::mount_setattr(mount, "", flags, &request, sizeof(request)) == 0) return ok_status();
  if (errno == EINVAL) {
    return sys_error(concat(
        {"idmapped mount: the filesystem (", filesystem_name(mount), ") cannot shift ids on this kernel"}));
  }
  return sys_error("idmapped mount");
}

Status attach(int mount, int target) {
  if (::move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    return sys_error("move_mount");
  }
  return ok_status();
}

Status attach_at(int mount, int directory, const std::string& name) {
  if (::move_mount(mount, "", directory, name.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return sys_error("move_mount");
  }
  return ok_status();
}

Status detach(int mount) {
  if (::umount2(concat({"/proc/self/fd/", std::to_string(mount)}).c_str(), MNT_DETACH) != 0) {
    return sys_error("umount");
  }
  return ok_status();
}

std::string_view filesystem_name(int fd) {
  struct statfs info {};
  if (::fstatfs(fd, &info) != 0) return "";
  switch (static_cast<unsigned long>(info.f_type)) {
    case EXT4_SUPER_MAGIC:
      return "ext4";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlay";
    case TMPFS_MAGIC:
      return "tmpfs";
    case RAMFS_MAGIC:
      return "ramfs";
    case XFS_SUPER_MAGIC:
      return "xfs";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case F2FS_SUPER_MAGIC:
      return "f2fs";
    case SQUASHFS_MAGIC:
      return "squashfs";
    case EROFS_SUPER_MAGIC_V1:
      return "erofs";
    case PROC_SUPER_MAGIC:
      return "proc";
    case SYSFS_MAGIC:
      return "sysfs";
    case CGROUP_SUPER_MAGIC:
      return "cgroup";
    case CGROUP2_SUPER_MAGIC:
      return "cgroup2";
    case DEVPTS_SUPER_MAGIC:
      return "devpts";
    case DEBUGFS_MAGIC:
      return "debugfs";
    case TRACEFS_MAGIC:
      return "tracefs";
    case SECURITYFS_MAGIC:
      return "securityfs";
    case BPF_FS_MAGIC:
      return "bpf";
    case NSFS_MAGIC:
      return "nsfs";
    case HUGETLBFS_MAGIC:
      return "hugetlbfs";
    case NFS_SUPER_MAGIC:
      return "nfs";
    case 0x19800202:
      return "mqueue";
    case 0x65735546:
      return "fuse";
    default:
      return "";
  }
}

Status pivot_into(int root) {
  // pivot_root(".", ".") stacks the old root on the new one's root (pivot_root(2), NOTES): no
  // directory for it is needed in the image, which may be read-only.
  if (::fchdir(root) != 0) return sys_error("chdir to the root filesystem");
  if (::syscall(SYS_pivot_root, ".", ".") != 0) return sys_error("pivot_root");
  // Now "." is the old root. Its unmounting does not reach the host: the namespace's mounts are private, or
  // slaves of the host's.
  if (::umount2(".", MNT_DETACH) != 0) return sys_error("unmount of the host's root");
  if (::chdir("/") != 0) return sys_error("chdir /");
  // What were still stacked on the root is where setns(2) would lead: ".." crosses to it, "/" does not.
  struct statx bare {};
  struct statx top {};
  if (::statx(AT_FDCWD, "/", 0, STATX_MNT_ID, &bare) != 0 ||
      ::statx(AT_FDCWD, "/..", 0, STATX_MNT_ID, &top) != 0) {
    return sys_error("stat /");
  }
  if (bare.stx_mnt_id != top.stx_mnt_id) {
    return make_error(Code::kInternal, "pivot_root: another mount still covers the container's root");
  }
  return ok_status();
}

}  // namespace gabion::kernel
