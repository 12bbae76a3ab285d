#include "container/id_range.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"

namespace gabion::container {
namespace {

constexpr int kLockTimeoutMs = 10'000;
// Never slots: slots are numbers.
constexpr const char* kLockName = ".lock";
constexpr const char* kGridName = ".grid";

// nullopt: no such link, or not a link.
std::optional<std::string> read_link(int dir, const std::string& name) {
  char buffer[PATH_MAX];
  const ssize_t size = ::readlinkat(dir, name.c_str(), buffer, sizeof(buffer));
  if (size < 0 || static_cast<size_t>(size) >= sizeof(buffer)) return std::nullopt;
  return std::string(buffer, static_cast<size_t>(size));
}

bool is_gone(const std::string& directory) {
  struct stat info {};
  return ::lstat(directory.c_str(), &info) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

Result<Fd> open_registry(const std::string& registry) {
  TRY(make_directories(registry, 0700));
  Fd dir = TRY(open_path(registry, O_RDONLY | O_DIRECTORY));
  struct stat info {};
  if (::fstat(dir.get(), &info) != 0) return sys_error(concat({"stat ", registry}));
  if (info.st_uid != ::geteuid() || (info.st_mode & 022) != 0) {
    return make_error(
        Code::kRefused,
        concat({"id registry ", registry,
                " is not ours alone: it must belong to the runtime's user and be writable by no "
                "one else (chown root, chmod 0700)"}));
  }
  return dir;
}

// The first slot tried depends on the container, so that creators seldom collide and a range just
// freed is not the next one given out.
uint32_t first_choice(const std::string& text, uint32_t slots) {
  uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return static_cast<uint32_t>((hash >> 16) % slots);
}

bool has_live_slot(int dir) {
  const int copy = ::openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = copy < 0 ? nullptr : ::fdopendir(copy);
  if (stream == nullptr) {
    if (copy >= 0) (void)::close(copy);
    return true;  // not known: as if there were one
  }
  bool live = false;
  while (const dirent* entry = ::readdir(stream)) {  // NOLINT(concurrency-mt-unsafe): one thread
    const std::optional<std::string> target = read_link(dir, entry->d_name);
    live = live || (target && !is_gone(*target));
  }
  (void)::closedir(stream);
  return live;
}

// Slots are told apart by their first id alone, which is enough only while all are of one size and
// lie on one grid. The grid is written down; a policy with another one waits until no slot is in use.
Status check_grid(int dir, const policy::IdRange& range) {
  const std::string grid = concat({std::to_string(range.size), "+", std::to_string(range.base % range.size)});
  const Result<std::string> known = read_file_at(dir, kGridName, 64);
  if (known.ok() && *known == grid) return ok_status();
  const Fd lock = TRY(lock_file_at(dir, kLockName, kLockTimeoutMs));
  const Result<std::string> again = read_file_at(dir, kGridName, 64);
  if (again.ok() && *again == grid) return ok_status();
  if (again.ok() && has_live_slot(dir)) {
    return make_error(Code::kRefused,
                      concat({"the policy's ids would overlap: containers have ranges of the grid ", *again,
                              ", and the policy now asks for ", grid,
                              " (size+offset); delete those containers first, or restore the policy's ids"}));
  }
  return write_file_atomic_at(dir, kGridName, grid, 0600);
}

enum class Take { kTaken, kInUse };

// The link's target is gone. Two creators may both have seen that, so the check is repeated and
// the link replaced under a lock, which dies with its holder.
Result<Take> take_over(int dir, const std::string& name, const std::string& owner) {
  const Fd lock = TRY(lock_file_at(dir, kLockName, kLockTimeoutMs));
  const std::optional<std::string> target = read_link(dir, name);
  if (target && !is_gone(*target)) return *target == owner ? Take::kTaken : Take::kInUse;
  const std::string fresh = concat({name, ".", std::to_string(::getpid())});
  (void)::unlinkat(dir, fresh.c_str(), 0);  // of a killed process with this pid
  if (::symlinkat(owner.c_str(), dir, fresh.c_str()) != 0) return sys_error("reserve an id range");
  if (::renameat(dir, fresh.c_str(), dir, name.c_str()) != 0) {
    Error error = sys_error("reserve an id range");
    (void)::unlinkat(dir, fresh.c_str(), 0);
    return error;
  }
  return Take::kTaken;
}

Result<Take> try_slot(int dir, uint32_t base, const std::string& owner) {
  const std::string name = std::to_string(base);
  if (::symlinkat(owner.c_str(), dir, name.c_str()) == 0) return Take::kTaken;
  if (errno != EEXIST) return sys_error("reserve an id range");
  const std::optional<std::string> target = read_link(dir, name);
  // Freed between the two calls, or no link at all: somebody else's, as far as this attempt goes.
  if (!target) return Take::kInUse;
  if (*target == owner) return Take::kTaken;
  if (!is_gone(*target)) return Take::kInUse;
  return take_over(dir, name, owner);
}

}  // namespace

Result<IdSlot> take_id_slot(const policy::IdRange& range, const std::string& state_directory,
                            const std::string& registry) {
  const uint64_t end = uint64_t{range.base} + range.count;
  const uint32_t slots = range.size == 0 ? 0 : range.count / range.size;
  // 4294967295 is (uid_t)-1, "no id" to the kernel.
  if (slots == 0 || range.base == 0 || end > UINT32_MAX) {
    return make_error(Code::kInvalid,
                      concat({"id range ", std::to_string(range.base), "+", std::to_string(range.count),
                              " holds no range of ", std::to_string(range.size),
                              " ids for a container: correct the policy's id range"}));
  }
  const Fd dir = TRY(open_registry(registry));
  TRY(check_grid(dir.get(), range));
  const uint32_t start = first_choice(state_directory, slots);
  for (uint32_t step = 0; step < slots; ++step) {
    const uint32_t index = static_cast<uint32_t>((uint64_t{start} + step) % slots);
    const uint32_t base = range.base + index * range.size;
    const Take take = TRY(try_slot(dir.get(), base, state_directory));
    if (take == Take::kTaken) return IdSlot{base, range.size};
  }
  return make_error(
      Code::kRefused,
      concat({"no free id range: all ", std::to_string(slots), " ranges of ", std::to_string(range.size),
              " ids from ", std::to_string(range.base), " are in use by containers (", registry,
              "); delete containers or enlarge the policy's id range"}));
}

Status release_id_slot(uint32_t base, const std::string& state_directory, const std::string& registry) {
  Result<Fd> dir = open_path(registry, O_RDONLY | O_DIRECTORY);
  if (!dir.ok() && dir.error().code == Code::kNotFound) return ok_status();
  if (!dir.ok()) return std::move(dir).error();
  const std::string name = std::to_string(base);
  if (read_link(dir->get(), name) != state_directory) return ok_status();
  // Under the lock nobody can take the link over between the look and the unlink.
  const Fd lock = TRY(lock_file_at(dir->get(), kLockName, kLockTimeoutMs));
  if (read_link(dir->get(), name) != state_directory) return ok_status();
  if (::unlinkat(dir->get(), name.c_str(), 0) == 0 || errno == ENOENT) return ok_status();
  return sys_error(concat({"release id range ", name}));
}

Status release_all_id_slots(const std::string& state_directory, const std::string& registry) {
  DIR* stream = ::opendir(registry.c_str());
  if (stream == nullptr)
    return errno == ENOENT ? ok_status() : Status(sys_error(concat({"open ", registry})));
  std::vector<std::string> owned;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    if (read_link(::dirfd(stream), name) == state_directory) owned.push_back(name);
  }
  Status status = ok_status();
  for (const std::string& name : owned) {
    const std::optional<uint64_t> base = parse_unsigned(name, UINT32_MAX);
    if (base) {
      status = release_id_slot(static_cast<uint32_t>(*base), state_directory, registry);
    } else if (::unlinkat(::dirfd(stream), name.c_str(), 0) != 0 && errno != ENOENT) {
      // "<base>.<pid>": the link a killed process had not yet renamed into place.
      status = sys_error(concat({"release id range ", name}));
    }
    if (!status.ok()) break;
  }
  (void)::closedir(stream);
  return status;
}

}  // namespace gabion::container
