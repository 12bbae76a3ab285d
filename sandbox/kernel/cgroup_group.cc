#include "kernel/cgroup_group.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"

namespace gabion::kernel {
namespace {

// memory.numa_stat and per-device lists grow with the machine, not with the container.
constexpr size_t kFileLimit = size_t{16} << 20;

Error write_error(std::string_view value, const std::string& directory, const std::string& file, int reason) {
  Error error =
      sys_error(concat({"failed to write \"", value, "\" to \"", directory, "/", file, "\""}), reason);
  if (reason == ENOENT) error.code = Code::kUnsupported;
  return error;
}

}  // namespace

bool GroupDirectory::serves(std::string_view controller) const {
  if (name_ == controller) return true;
  for (std::string_view part : split(name_, ',')) {
    if (part == controller) return true;
  }
  return false;
}

Result<int> GroupDirectory::fd() {
  if (!fd_) {
    Result<Fd> opened = open_path(path_, O_RDONLY | O_DIRECTORY);
    if (!opened.ok()) return sys_error(concat({"open cgroup \"", path_, "\""}), opened.error().sys_errno);
    fd_ = std::move(opened).value();
  }
  return fd_.get();
}

bool GroupDirectory::has(const char* file) {
  const Result<int> dir = fd();
  return dir.ok() && ::faccessat(*dir, file, F_OK, 0) == 0;
}

Status GroupDirectory::write(const std::string& file, std::string_view value) {
  return write_each(file, {std::string(value)});
}

Status GroupDirectory::write_each(const std::string& file, const std::vector<std::string>& values) {
  if (values.empty()) return ok_status();
  const int dir = TRY(fd());
  const Result<Fd> opened = open_at(dir, file, O_WRONLY);
  if (!opened.ok()) return write_error(values.front(), path_, file, opened.error().sys_errno);
  for (const std::string& value : values) {
    while (::write(opened->get(), value.data(), value.size()) < 0) {
      if (errno != EINTR) return write_error(value, path_, file, errno);
    }
  }
  return ok_status();
}

Result<std::string> GroupDirectory::read(const std::string& file) {
  const int dir = TRY(fd());
  Result<std::string> text = read_file_at(dir, file, kFileLimit);
  if (text.ok()) return text;
  Error error = std::move(text).error();
  error.context = concat({"failed to read \"", path_, "/", file, "\""});
  return error;
}

Result<uint64_t> GroupDirectory::read_number(const std::string& file) {
  const std::string text = TRY(read(file));
  const std::string_view word = trim(text);
  if (word == "max" || word.starts_with('-')) return UINT64_MAX;
  const std::optional<uint64_t> value = parse_unsigned(word, UINT64_MAX);
  if (!value) {
    return make_error(Code::kInternal, concat({"\"", path_, "/", file, "\" holds no number: ", word}));
  }
  return *value;
}

Group::Group(const CgroupLocation& location) {
  directories_.reserve(location.directories.size());
  for (const auto& [name, path] : location.directories) directories_.emplace_back(name, path);
}

GroupDirectory* Group::find(std::string_view controller) {
  auto found = std::find_if(directories_.begin(), directories_.end(),
                            [&](const GroupDirectory& directory) { return directory.serves(controller); });
  return found == directories_.end() ? nullptr : &*found;
}

bool Group::is_unified() const {
  return std::all_of(directories_.begin(), directories_.end(),
                     [](const GroupDirectory& directory) { return directory.name() == kUnified; });
}

Result<GroupDirectory*> Group::require(std::string_view controller, std::string_view control) {
  GroupDirectory* directory = find(controller);
  if (directory == nullptr) {
    return make_error(Code::kUnsupported, concat({"cannot set ", control, ": the ", controller,
                                                  " cgroup controller is not mounted on this host; mount it "
                                                  "or leave the limit out"}));
  }
  return directory;
}

Backoff::Backoff(int timeout_ms, int64_t first_ns, int64_t longest_ns)
    : deadline_ns_(monotonic_ns() + int64_t{timeout_ms} * 1'000'000),
      next_ns_(first_ns),
      longest_ns_(longest_ns) {}

bool Backoff::pause() {
  const int64_t left = deadline_ns_ - monotonic_ns();
  if (left <= 0) return false;
  const int64_t nap_ns = std::min(next_ns_, left);
  timespec nap{.tv_sec = nap_ns / 1'000'000'000, .tv_nsec = nap_ns % 1'000'000'000};
  (void)::nanosleep(&nap, nullptr);  // an early return by a signal is only an early look
  next_ns_ = std::min(next_ns_ * 2, longest_ns_);
  return true;
}

Status write_bounded_pair(GroupDirectory& directory, const char* first,
                          const std::optional<std::string>& first_value, const char* second,
                          const std::optional<std::string>& second_value) {
  bool again = false;
  if (first_value) {
    Status written = directory.write(first, *first_value);
    if (!written.ok() && !(written.error().sys_errno == EINVAL && second_value)) return written;
    again = !written.ok();
  }
  if (second_value) TRY(directory.write(second, *second_value));
  return again ? directory.write(first, *first_value) : ok_status();
}

std::optional<uint64_t> flat_value(std::string_view text, std::string_view key) {
  for (std::string_view line : split(text, '\n')) {
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') {
      return parse_unsigned(trim(line.substr(key.size() + 1)), UINT64_MAX);
    }
  }
  return std::nullopt;
}

}  // namespace gabion::kernel
