// The open directories of one container's group. Internal to kernel/cgroup*.
//
// Files are opened relative to their directory's descriptor, which is opened on first use: most
// hierarchies of a start are only made and joined, never read or written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/cgroup.h"

namespace gabion::kernel {

inline constexpr std::string_view kUnified = "unified";

class GroupDirectory {
 public:
  GroupDirectory(std::string name, std::string path) : name_(std::move(name)), path_(std::move(path)) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  // `name` is one controller or a list of co-mounted ones.
  [[nodiscard]] bool serves(std::string_view controller) const;

  // The directory, O_RDONLY. Borrowed.
  Result<int> fd();
  bool has(const char* file);
  // One write(2). The error reads as runc's: failed to write "x" to "/path/file". A file this
  // kernel does not have is Code::kUnsupported.
  Status write(const std::string& file, std::string_view value);
  // Each value by its own write(2) to the file opened once, in order.
  Status write_each(const std::string& file, const std::vector<std::string>& values);
  Result<std::string> read(const std::string& file);
  // The file's one number; "max" is UINT64_MAX, and a negative one (v1's "-1") too.
  Result<uint64_t> read_number(const std::string& file);

  // Made a moment ago: nothing in it yet.
  [[nodiscard]] bool fresh() const { return fresh_; }
  void set_fresh(bool fresh) { fresh_ = fresh; }

 private:
  std::string name_;
  std::string path_;
  Fd fd_;
  bool fresh_ = false;
};

class Group {
 public:
  explicit Group(const CgroupLocation& location);

  [[nodiscard]] std::vector<GroupDirectory>& directories() { return directories_; }
  // nullptr when no mounted hierarchy has it.
  GroupDirectory* find(std::string_view controller);
  GroupDirectory* unified() { return find(kUnified); }
  // cgroup2 alone, no v1 hierarchy.
  [[nodiscard]] bool is_unified() const;
  // `control` is what the user asked for: "the pids limit".
  Result<GroupDirectory*> require(std::string_view controller, std::string_view control);

 private:
  std::vector<GroupDirectory> directories_;
};

// Waits between two looks at something the kernel finishes by itself; each pause is twice the last.
class Backoff {
 public:
  Backoff(int timeout_ms, int64_t first_ns, int64_t longest_ns);
  // False when the time is up.
  bool pause();

 private:
  int64_t deadline_ns_;
  int64_t next_ns_;
  int64_t longest_ns_;
};

// Two files whose values bound each other (period and quota): the first write may be refused against
// the other's old value (EINVAL) and succeeds after the second. An absent value is not written.
Status write_bounded_pair(GroupDirectory& directory, const char* first,
                          const std::optional<std::string>& first_value, const char* second,
                          const std::optional<std::string>& second_value);

// The value of "key value" in a flat file (cgroup.events, memory.stat); nullopt when absent.
std::optional<uint64_t> flat_value(std::string_view text, std::string_view key);

}  // namespace gabion::kernel
