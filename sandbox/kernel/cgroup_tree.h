// Walks over a group and the groups a container made below it. Internal to kernel/cgroup*.
//
// A hostile container can nest groups as deep as it likes: the walk holds one descriptor and no
// recursion, going down by name and up by "..", which on cgroupfs is always the parent (there are no
// links, and rename(2) cannot move a group to another parent).
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gabion::kernel {

// What a removed group answers: ENOENT by name, ENODEV through what is still open.
inline bool is_gone(int error_number) { return error_number == ENOENT || error_number == ENODEV; }

// Appends the processes of the group at `path` and below. An absent group has none.
Status collect_processes(const std::string& path, std::vector<pid_t>& pids);

// Sorts, and drops duplicates and zeros (processes outside the reader's pid namespace).
void tidy_processes(std::vector<pid_t>& pids);

// Writes `value` to `file` of the group at `path` and of every group below. Absent ones are skipped.
Status write_in_every_group(const std::string& path, const std::string& file, std::string_view value);

// rmdir of the group at `path` with all groups below it, deepest first. False when one of them is
// still busy; an absent group counts as removed.
Result<bool> try_remove_group(const std::string& path);

}  // namespace gabion::kernel
