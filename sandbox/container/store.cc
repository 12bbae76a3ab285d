#include "container/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"

namespace gabion::container {
namespace {

constexpr const char* kStateFile = "state.json";
constexpr const char* kLockFile = "lock";
constexpr int kLockTimeoutMs = 10'000;
constexpr size_t kStateLimit = size_t{16} << 20;
constexpr size_t kMaxIdLength = 1024;
// No id may hold this character, so a directory on its way out is never taken for a container.
constexpr char kErased = '~';

Error no_container() { return make_error(Code::kNotFound, "container does not exist"); }

bool is_id_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '+' ||
         c == '-' || c == '.';
}

// Docker gives every runtime the same --root, so runc's containers lie beside ours, and they are
// not ours to list or remove. Ours hold a lock, or nothing yet.
bool is_ours(int dir) {
  struct stat info {};
  return ::fstatat(dir, kLockFile, &info, AT_SYMLINK_NOFOLLOW) == 0 || is_empty_directory(dir);
}

Result<Fd> open_container(const std::string& directory) {
  Result<Fd> dir = open_path(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (dir.ok() && is_ours(dir->get())) return dir;
  if (dir.ok()) return no_container();
  const int reason = dir.error().sys_errno;
  // ENAMETOOLONG: an id no file system could hold names no container.
  if (reason == ENOENT || reason == ENOTDIR || reason == ELOOP || reason == ENAMETOOLONG)
    return no_container();
  return std::move(dir).error();
}

bool is_same_file(const std::string& path, int fd) {
  struct stat named {};
  struct stat opened {};
  return ::lstat(path.c_str(), &named) == 0 && ::fstat(fd, &opened) == 0 && named.st_ino == opened.st_ino &&
         named.st_dev == opened.st_dev;
}

}  // namespace

Status check_id(std::string_view id) {
  if (id.empty()) return make_error(Code::kInvalid, "container id cannot be empty");
  if (id == "." || id == ".." || id.size() > kMaxIdLength ||
      !std::all_of(id.begin(), id.end(), is_id_character)) {
    return make_error(Code::kInvalid, "invalid container ID format");
  }
  return ok_status();
}

Result<Store> Store::open(const std::string& root) {
  const std::string path = clean_path(root);
  TRY_AT(make_directories(path, 0700), "state directory");
  const Fd dir = TRY_AT(open_path(path, O_RDONLY | O_DIRECTORY), "state directory");
  struct stat info {};
  if (::fstat(dir.get(), &info) != 0) return sys_error(concat({"stat ", path}));
  // Whoever may write here may name any pid as a container's and have it killed by root.
  if ((info.st_uid != 0 && info.st_uid != ::geteuid()) || (info.st_mode & 022) != 0) {
    return make_error(Code::kRefused, concat({"state directory ", path,
                                              " may be written by others: it must belong to root or the "
                                              "runtime's user, with mode 0700 (chmod go-w)"}));
  }
  Store store;
  store.root_ = path;
  return store;
}

std::string Store::directory(std::string_view id) const { return join_path(root_, id); }

Result<Reservation> Store::reserve(const std::string& id) const {
  TRY(check_id(id));
  const std::string path = directory(id);
  if (::mkdir(path.c_str(), 0700) != 0) {
    if (errno == EEXIST) return make_error(Code::kExists, "container with given ID already exists");
    return sys_error(concat({"mkdir ", path}));
  }
  Result<Fd> held = lock(id);
  if (held.ok()) return Reservation(this, id, std::move(held).value());
  if (held.error().code == Code::kNotFound) {
    return make_error(Code::kNotFound, concat({"container ", id, " was deleted while it was being created"}));
  }
  (void)::rmdir(path.c_str());  // empty: the lock file could not be made
  return std::move(held).error();
}

Result<Fd> Store::lock(const std::string& id) const {
  TRY(check_id(id));
  const std::string path = directory(id);
  const Fd dir = TRY(open_container(path));
  Result<Fd> held = lock_file_at(dir.get(), kLockFile, kLockTimeoutMs);
  if (!held.ok()) {
    if (held.error().code == Code::kNotFound) return no_container();  // removed meanwhile
    if (held.error().sys_errno == ETIMEDOUT) {
      return make_error(Code::kWrongState,
                        concat({"container ", id,
                                " is busy: another process has been working on it for 10 s; "
                                "try again, or end that process first"}));
    }
    return std::move(held).error();
  }
  // The wait may have ended because the holder removed the container, and another may have been
  // made under the same id since.
  if (!is_same_file(path, dir.get())) return no_container();
  return held;
}

Result<bool> Store::is_locked(const std::string& id) const {
  TRY(check_id(id));
  const Fd dir = TRY(open_container(directory(id)));
  const Result<Fd> file = open_at(dir.get(), kLockFile, O_RDONLY | O_NOFOLLOW);
  if (!file.ok() && file.error().code == Code::kNotFound) return false;
  if (!file.ok()) return file.error();
  // Shared, so that two who look do not take each other for a creator.
  while (::flock(file->get(), LOCK_SH | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return true;
    if (errno != EINTR) return sys_error(concat({"lock ", directory(id)}));
  }
  return false;
}

Result<State> Store::load(const std::string& id) const {
  TRY(check_id(id));
  const Fd dir = TRY(open_container(directory(id)));
  struct stat info {};
  if (::fstat(dir.get(), &info) != 0) return sys_error(concat({"stat ", directory(id)}));
  State unfinished;
  unfinished.id = id;
  unfinished.created = rfc3339_utc(info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  const Result<std::string> text = read_file_at(dir.get(), kStateFile, kStateLimit);
  if (!text.ok()) {
    const Error& error = text.error();
    if (error.code == Code::kNotFound || error.code == Code::kInvalid || error.sys_errno == EISDIR) {
      return unfinished;
    }
    return text.error();
  }
  const Result<json::Value> document = json::parse(*text, kStateFile);
  if (!document.ok()) return unfinished;
  Result<State> state = read_state(*document);
  if (!state.ok() || state->id != id) return unfinished;
  return state;
}

Status Store::save(const State& state) const {
  return write_entry(state.id, kStateFile, json::write(write_state(state)));
}

Result<std::vector<std::string>> Store::ids() const {
  DIR* stream = ::opendir(root_.c_str());
  if (stream == nullptr) return sys_error(concat({"open ", root_}));
  std::vector<std::string> found;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    if (check_id(name).ok() && open_container(directory(name)).ok()) found.push_back(name);
  }
  (void)::closedir(stream);
  std::sort(found.begin(), found.end());
  return found;
}

Status Store::write_entry(const std::string& id, const std::string& name, std::string_view data) const {
  TRY(check_id(id));
  const Fd dir = TRY(open_container(directory(id)));
  return write_file_atomic_at(dir.get(), name, data, 0600);
}

Result<std::string> Store::read_entry(const std::string& id, const std::string& name, size_t limit) const {
  TRY(check_id(id));
  const Fd dir = TRY(open_container(directory(id)));
  return read_file_at(dir.get(), name, limit);
}

Status Store::erase(const std::string& id) const {
  TRY(check_id(id));
  const std::string path = directory(id);
  const bool present = open_container(path).ok();
  const std::string aside = join_path(root_, concat({std::string(1, kErased), std::to_string(::getpid()), ".",
                                                     std::to_string(monotonic_ns())}));
  if (present && ::rename(path.c_str(), aside.c_str()) != 0 && errno != ENOENT) {
    return sys_error(concat({"remove ", path}));
  }
  return erase_leftovers();
}

Status Store::erase_leftovers() const {
  DIR* stream = ::opendir(root_.c_str());
  if (stream == nullptr) return sys_error(concat({"open ", root_}));
  std::vector<std::string> left;
  while (const dirent* entry = ::readdir(stream)) {
    if (entry->d_name[0] == kErased) left.push_back(join_path(root_, entry->d_name));
  }
  (void)::closedir(stream);
  Status status = ok_status();
  for (const std::string& path : left) {
    // Another process may be removing the same one: whoever comes last finds nothing, which is fine.
    Status removed = remove_tree(path);
    if (!removed.ok() && removed.error().code != Code::kNotFound) status = std::move(removed);
  }
  return status;
}

Reservation::Reservation(const Store* store, std::string id, Fd lock)
    : store_(store), id_(std::move(id)), lock_(std::move(lock)) {}

Reservation::Reservation(Reservation&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)),
      id_(std::move(other.id_)),
      lock_(std::move(other.lock_)),
      committed_(other.committed_) {}

Reservation::~Reservation() {
  // An error cannot be reported from here; `delete --force` clears what is left.
  if (store_ != nullptr && !committed_) (void)store_->erase(id_);
}

}  // namespace gabion::container
