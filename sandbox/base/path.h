// Opening paths. Host paths go through `open_path`; a path inside a container's root goes only
// through `open_in_root`, which never follows a link, magic link or ".." out of that root
// (openat2(2), RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS: closes CVE-2019-16884, CVE-2021-30465,
// CVE-2025-31133 and their kin by construction).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace gabion {

// open(2) with O_CLOEXEC added and EINTR retried. Follows symbolic links: host paths only.
Result<Fd> open_path(const std::string& path, int flags, mode_t mode = 0);
Result<Fd> open_at(int dir, const std::string& path, int flags, mode_t mode = 0);

enum class Links {
  kInside,  // followed, but never out of the root
  kNone,    // any symbolic link on the way is ELOOP: for /proc, /sys and /dev, whose place is fixed
};

// Resolves `path` inside the tree at `root`, symbolic links included, "/" being `root`.
Result<Fd> open_in_root(int root, std::string_view path, int flags, Links links = Links::kInside);

enum class NodeKind { kDirectory, kFile };

// An O_PATH descriptor of `path` inside `root`; what is missing is made, directories 0755 and the
// last part a directory or an empty 0644 file. Existing symbolic links on the way are resolved
// inside the root; a last part of the other kind is an error.
Result<Fd> make_in_root(int root, std::string_view path, NodeKind kind, Links links = Links::kInside);

// The path a descriptor stands for now (/proc/self/fd/N), for messages and decisions only.
Result<std::string> path_of(int fd);

// Lexical clean-up as Go's filepath.Clean: no "", ".", ".." parts, rooted if it was.
std::string clean_path(std::string_view path);
// Every directory above `path` (absolute, clean) is root's and writable by no one else: nobody but root can
// put another file in its place. False also for what cannot be looked at.
bool has_trusted_parents(const std::string& path);
bool path_is_within(std::string_view path, std::string_view ancestor);
std::string join_path(std::string_view left, std::string_view right);

// mkdir -p on the host; existing directories are fine.
Status make_directories(const std::string& path, mode_t mode);
// False also for what cannot be read. `dir` may be an O_PATH descriptor.
bool is_empty_directory(int dir);
// rm -rf of a directory this process owns, never crossing a mount or following a link.
Status remove_tree(const std::string& path);

}  // namespace gabion
