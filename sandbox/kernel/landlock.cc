#include "kernel/landlock.h"

#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "base/text.h"

namespace gabion::kernel::landlock {

namespace {

// By bit.
constexpr std::array<std::string_view, 16> kNames = {"execute",    "write_file",  "read_file", "read_dir",
                                                     "remove_dir", "remove_file", "make_char", "make_dir",
                                                     "make_reg",   "make_sock",   "make_fifo", "make_block",
                                                     "make_sym",   "refer",       "truncate",  "ioctl_dev"};

// The kernel refuses any other right in a rule for what is not a directory (EINVAL).
constexpr Access kOfFiles = kExecute | kWriteFile | kReadFile | kTruncate | kIoctlDev;

}  // namespace

Result<int> abi() {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version > 0) return static_cast<int>(version);
  return make_error(Code::kUnsupported,
                    errno == EOPNOTSUPP
                        ? "Landlock is built into the kernel and not enabled: add it to lsm= on the kernel's "
                          "command line"
                        : "the kernel has no Landlock: boot one with CONFIG_SECURITY_LANDLOCK");
}

Access known_rights(int abi) {
  if (abi <= 0) return 0;
  if (abi == 1) return kRefer - 1;
  if (abi == 2) return kTruncate - 1;
  if (abi < 5) return kIoctlDev - 1;
  return kAll;
}

std::string right_names(Access rights) {
  std::string text;
  for (size_t bit = 0; bit < kNames.size(); ++bit) {
    if ((rights >> bit & 1) == 0) continue;
    if (!text.empty()) text += ' ';
    text += kNames[bit];
  }
  return text;
}

Result<Ruleset> Ruleset::make(Access handled, Access required, int abi) {
  const Access known = known_rights(abi);
  const Access missing = required & ~known;
  if (missing != 0) {
    return make_error(Code::kUnsupported,
                      concat({"Landlock of this kernel (ABI ", std::to_string(abi), ") has no right ",
                              right_names(missing), ": boot a newer kernel"}));
  }
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = handled & known;
  const long fd = ::syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
  if (fd < 0) return sys_error("landlock_create_ruleset");
  return Ruleset(Fd(static_cast<int>(fd)), attributes.handled_access_fs);
}

Status Ruleset::allow(int fd, Access access) const {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return sys_error("landlock: stat");
  landlock_path_beneath_attr rule{};
  rule.allowed_access = access & handled_;
  if (!S_ISDIR(info.st_mode)) rule.allowed_access &= kOfFiles;
  rule.parent_fd = fd;
  if (rule.allowed_access == 0) return ok_status();  // a rule that gives nothing is an error (ENOMSG)
  if (::syscall(SYS_landlock_add_rule, fd_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    return sys_error("landlock_add_rule");
  }
  return ok_status();
}

Status restrict_self(int ruleset) {
  if (::syscall(SYS_landlock_restrict_self, ruleset, 0) == 0) return ok_status();
  if (errno == E2BIG) return sys_error("landlock_restrict_self: 16 domains are the kernel's limit");
  return sys_error("landlock_restrict_self");
}

}  // namespace gabion::kernel::landlock
