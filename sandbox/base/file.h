// Whole files: bounded reads, atomic writes, locks.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace gabion {

// Reads to end of file; more than `limit` bytes is Code::kInvalid, so that a hostile or endless
// file cannot exhaust memory.
Result<std::string> read_file(const std::string& path, size_t limit);
Result<std::string> read_file_at(int dir, const std::string& path, size_t limit);
Result<std::string> read_fd(int fd, size_t limit, std::string_view name);

Status write_all(int fd, std::string_view data);

// Writes `data` in one write(2) to an existing file: cgroup and /proc files take a value only so.
Status write_existing(const std::string& path, std::string_view data);
Status write_existing_at(int dir, const std::string& path, std::string_view data);

// Writes a temporary file beside `path` and renames it over: a reader sees the old text or the new
// one whole, also when this process is killed half-way. fsync is not called: state lives on a tmpfs.
Status write_file_atomic(const std::string& path, std::string_view data, mode_t mode);
Status write_file_atomic_at(int dir, const std::string& name, std::string_view data, mode_t mode);

// An exclusive flock(2) held until the Fd is closed. Waits at most `timeout_ms`.
Result<Fd> lock_file_at(int dir, const std::string& name, int timeout_ms);

}  // namespace gabion
