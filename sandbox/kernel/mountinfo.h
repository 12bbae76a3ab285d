// The one reader of /proc/PID/mountinfo, proc_pid_mountinfo(5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gabion::kernel {

// A line taken apart, without copies: views of the text it came from. What may hold blanks is still
// escaped.
struct MountLine {
  std::string_view id;      // as statx(2) gives it in STATX_MNT_ID
  std::string_view device;  // "8:1"
  std::string_view root;    // the directory of the filesystem that is mounted; escaped
  std::string_view point;   // escaped
  std::string_view type;
  std::string_view options;  // the super block's; escaped
};

// nullopt for what is no such line.
std::optional<MountLine> parse_mount_line(std::string_view line);

// Space, tab, newline and backslash appear as a backslash and three octal digits.
std::string unescape_mount_field(std::string_view text);

// The text for this process; errors of read(2).
Result<std::string> read_mountinfo();

// STATX_MNT_ID (Linux 5.8) of the mount a descriptor was opened through; O_PATH is enough.
Result<uint64_t> mount_id(int fd);
// Whether `fd` is the very place where something is mounted, not a directory below it (Linux 5.8).
Result<bool> is_mount_root(int fd);

}  // namespace gabion::kernel
