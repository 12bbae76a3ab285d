// Landlock: a process gives up rights over files, for itself and all it will ever start (landlock(7)).
//
// A ruleset names the rights it handles; what it handles is denied everywhere but below the files that
// `allow` names. Rights add up on the way from a file to the root of the file system, through mounts: a rule
// can never take from a directory what one above it gives. Rules belong to inodes, not to paths. A process
// in a domain cannot change mounts, nor trace one whose domain is not its own or below it; what it already
// has open stays as it was opened.
//
// What each ABI adds: 1 (Linux 5.13) the rights of files and directories; 2 (5.19) kRefer, without which no
// file moves to another directory; 3 (6.2) kTruncate; 4 (6.7) TCP; 5 (6.10) kIoctlDev; 6 (6.12) scopes of
// signals and abstract sockets; 7 (6.15) flags for the audit log. TCP and scopes are not used here.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::kernel::landlock {

using Access = uint64_t;  // LANDLOCK_ACCESS_FS_*; the system's header may be older than the kernel

inline constexpr Access kExecute = 1U << 0;  // execve(2) alone: mmap(2) of a library is not asked about
inline constexpr Access kWriteFile = 1U << 1;
inline constexpr Access kReadFile = 1U << 2;
inline constexpr Access kReadDirectory = 1U << 3;
inline constexpr Access kRemoveDirectory = 1U << 4;
inline constexpr Access kRemoveFile = 1U << 5;
inline constexpr Access kMakeCharacterDevice = 1U << 6;
inline constexpr Access kMakeDirectory = 1U << 7;
inline constexpr Access kMakeRegularFile = 1U << 8;
inline constexpr Access kMakeSocket = 1U << 9;
inline constexpr Access kMakeFifo = 1U << 10;
inline constexpr Access kMakeBlockDevice = 1U << 11;
inline constexpr Access kMakeSymbolicLink = 1U << 12;
inline constexpr Access kRefer = 1U << 13;  // link or move to another directory
inline constexpr Access kTruncate = 1U << 14;
inline constexpr Access kIoctlDev = 1U << 15;  // ioctl(2) on devices opened from now on

inline constexpr Access kRead = kReadFile | kReadDirectory;
// Everything that changes files, but for making devices.
inline constexpr Access kWrite = kWriteFile | kRemoveDirectory | kRemoveFile | kMakeDirectory |
                                 kMakeRegularFile | kMakeSocket | kMakeFifo | kMakeSymbolicLink | kRefer |
                                 kTruncate;
inline constexpr Access kAll = (1U << 16) - 1;

// The kernel's ABI, 1 or higher. Code::kUnsupported: Landlock is not built in, or not enabled at boot; the
// message says which.
Result<int> abi();

// The rights that a kernel of this ABI knows.
Access known_rights(int abi);
// "execute write_file ...", as the kernel's header calls them.
std::string right_names(Access rights);

class Ruleset {
 public:
  // `handled` without what the ABI does not know: that stays allowed, as it is without Landlock.
  // Code::kUnsupported: it does not know one of `required`.
  static Result<Ruleset> make(Access handled, Access required, int abi);

  // Grants `access` to the file, or to the directory and all below it; what is not handled, or means nothing
  // for a file, is left out. `fd` may be O_PATH.
  [[nodiscard]] Status allow(int fd, Access access) const;

  // The ruleset is all that is needed of it later, in this process or another.
  [[nodiscard]] Fd take() && { return std::move(fd_); }

 private:
  Ruleset(Fd fd, Access handled) : fd_(std::move(fd)), handled_(handled) {}
  Fd fd_;
  Access handled_;
};

// Binds the calling thread for good. It must have no_new_privs, or CAP_SYS_ADMIN in its user namespace.
Status restrict_self(int ruleset);

}  // namespace gabion::kernel::landlock
