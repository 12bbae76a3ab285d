#include "container/survey_filesystem.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "kernel/mountinfo.h"

namespace gabion::container {
namespace {

struct Name {
  uint32_t magic;
  const char* name;
};

constexpr Name kNames[] = {
    {PROC_SUPER_MAGIC, "proc"},
    {SYSFS_MAGIC, "sysfs"},
    {CGROUP_SUPER_MAGIC, "cgroup"},
    {CGROUP2_SUPER_MAGIC, "cgroup2"},
    {EXT4_SUPER_MAGIC, "ext4"},
    {OVERLAYFS_SUPER_MAGIC, "overlay"},
    {XFS_SUPER_MAGIC, "xfs"},
    {BTRFS_SUPER_MAGIC, "btrfs"},
    {0x2fc12fc1, "zfs"},
    {F2FS_SUPER_MAGIC, "f2fs"},
    {0xca451a4e, "bcachefs"},
    {EROFS_SUPER_MAGIC_V1, "erofs"},
    {SQUASHFS_MAGIC, "squashfs"},
    {ISOFS_SUPER_MAGIC, "iso9660"},
    {MSDOS_SUPER_MAGIC, "vfat"},
    {0x2011bab0, "exfat"},
    {RAMFS_MAGIC, "ramfs"},
    {HUGETLBFS_MAGIC, "hugetlbfs"},
    {DEVPTS_SUPER_MAGIC, "devpts"},
    {0x19800202, "mqueue"},
    {NSFS_MAGIC, "nsfs"},
    {BPF_FS_MAGIC, "bpf"},
    {DEBUGFS_MAGIC, "debugfs"},
    {TRACEFS_MAGIC, "tracefs"},
    {SECURITYFS_MAGIC, "securityfs"},
    {SELINUX_MAGIC, "selinuxfs"},
    {0x62656570, "configfs"},
    {0x65735543, "fusectl"},
    {PSTOREFS_MAGIC, "pstore"},
    {EFIVARFS_MAGIC, "efivarfs"},
    {BINFMTFS_MAGIC, "binfmt_misc"},
    {0x67596969, "rpc_pipefs"},
    {0x6e667364, "nfsd"},
    {0x0187, "autofs"},
    {RDTGROUP_SUPER_MAGIC, "resctrl"},
    {FUSE_SUPER_MAGIC, "fuse"},
    {NFS_SUPER_MAGIC, "nfs"},
    {0xff534d42, "cifs"},
    {0xfe534d42, "smb2"},
    {CEPH_SUPER_MAGIC, "ceph"},
    {0x01021997, "9p"},
    {0x61756673, "aufs"},
    {ECRYPTFS_SUPER_MAGIC, "ecryptfs"},
};

// statfs(2) shows devtmpfs under tmpfs's number (it is built on it); mountinfo tells them apart.
std::string tmpfs_kind(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return "";
  const Result<std::string> text = kernel::read_mountinfo();
  if (!text.ok()) return "";
  const std::string device =
      concat({std::to_string(::major(info.st_dev)), ":", std::to_string(::minor(info.st_dev))});
  for (const std::string_view line : split(*text, '\n')) {
    const std::optional<kernel::MountLine> mount = kernel::parse_mount_line(line);
    if (mount && mount->device == device) return std::string(mount->type);
  }
  return "tmpfs";  // mounted in another mount namespace
}

}  // namespace

std::string filesystem_name(int fd) {
  struct statfs info {};
  if (::fstatfs(fd, &info) != 0) return "";
  const uint32_t magic = static_cast<uint32_t>(info.f_type);
  if (magic == TMPFS_MAGIC) return tmpfs_kind(fd);
  for (const Name& known : kNames) {
    if (known.magic == magic) return known.name;
  }
  return "";
}

}  // namespace gabion::container
