#include "base/path.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <vector>

#include "base/text.h"

namespace gabion {

Result<Fd> open_at(int dir, const std::string& path, int flags, mode_t mode) {
  while (true) {
    const int fd = ::openat(dir, path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return Fd(fd);
    if (errno != EINTR) return sys_error(concat({"open ", path}));
  }
}

Result<Fd> open_path(const std::string& path, int flags, mode_t mode) {
  return open_at(AT_FDCWD, path, flags, mode);
}

Result<Fd> open_in_root(int root, std::string_view path, int flags, Links links) {
  const std::string text(path.empty() ? std::string_view(".") : path);
  open_how how{};
  how.flags = static_cast<uint64_t>(static_cast<unsigned>(flags)) | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  if (links == Links::kNone) how.resolve |= RESOLVE_NO_SYMLINKS;
  // EAGAIN: a rename or mount elsewhere raced with a ".." step; openat2(2) asks for a retry. The
  // bound keeps a hostile peer that renames in a loop from holding the runtime for ever.
  for (int attempt = 0; attempt < 1024; ++attempt) {
    const long fd = ::syscall(SYS_openat2, root, text.c_str(), &how, sizeof(how));
    if (fd >= 0) return Fd(static_cast<int>(fd));
    if (errno == ELOOP && links == Links::kNone) {
      return make_error(Code::kInvalid, concat({text,
                                                " must be an ordinary file or directory: the root filesystem "
                                                "has a symbolic link in its place"}));
    }
    if (errno != EINTR && errno != EAGAIN)
      return sys_error(concat({"open ", text, " in the root filesystem"}));
  }
  return sys_error(concat({"open ", text, " in the root filesystem: it keeps changing"}), EAGAIN);
}

namespace {

// One step of make_in_root: the directory `name` below `dir`, made if absent. `dir` was opened in
// the root, and `name` is one component that is not a link after this call has checked it.
Status make_directory_at(int dir, const std::string& name) {
  if (::mkdirat(dir, name.c_str(), 0755) == 0) {
    // Whatever the caller's umask: a daemon's 077 would lock the container's users out. By descriptor,
    // because chmod(2) by name follows a link that a racing peer may put in the directory's place.
    const Fd made = TRY(open_at(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    if (::fchmod(made.get(), 0755) != 0) return sys_error(concat({"chmod ", name}));
    return ok_status();
  }
  if (errno == EEXIST) return ok_status();
  return sys_error(concat({"mkdir ", name}));
}

Status make_file_at(int dir, const std::string& name) {
  // O_EXCL never follows a link; O_NOFOLLOW says so again.
  const int fd = ::openat(dir, name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd >= 0) {
    const Fd made(fd);
    if (::fchmod(made.get(), 0644) != 0) return sys_error(concat({"chmod ", name}));
    return ok_status();
  }
  if (errno == EEXIST) return ok_status();
  return sys_error(concat({"create ", name}));
}

Status check_kind(int fd, std::string_view path, NodeKind kind) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return sys_error(concat({"stat ", path}));
  const bool directory = S_ISDIR(info.st_mode);
  if (directory == (kind == NodeKind::kDirectory)) return ok_status();
  return make_error(Code::kInvalid, concat({"mount destination ", path, " is ",
                                            directory ? "a directory, but the source is not"
                                                      : "not a directory, but the source is"}));
}

}  // namespace

Result<Fd> make_in_root(int root, std::string_view path, NodeKind kind, Links links) {
  // The common case, everything present, is one system call.
  Result<Fd> whole = open_in_root(root, path, O_PATH, links);
  if (whole.ok()) {
    TRY(check_kind(whole->get(), path, kind));
    return whole;
  }
  if (whole.error().sys_errno != ENOENT) return std::move(whole).error();

  const std::string clean = clean_path(concat({"/", path}));
  std::string done = "/";
  Fd dir = TRY(open_in_root(root, done, O_PATH | O_DIRECTORY));
  const std::vector<std::string_view> parts = split(std::string_view(clean).substr(1), '/');
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    const std::string name(parts[i]);
    const std::string next = join_path(done, name);
    // Resolve the whole prefix again in the root: a link at this step may point anywhere inside it.
    Result<Fd> step = open_in_root(root, next, last ? O_PATH : (O_PATH | O_DIRECTORY), links);
    if (!step.ok() && step.error().sys_errno == ENOENT) {
      if (last && kind == NodeKind::kFile) {
        TRY(make_file_at(dir.get(), name));
      } else {
        TRY(make_directory_at(dir.get(), name));
      }
      step = open_in_root(root, next, last ? O_PATH : (O_PATH | O_DIRECTORY), links);
    }
    if (!step.ok()) return std::move(step).error().wrap(concat({"make mount destination ", path}));
    dir = std::move(step).value();
    done = next;
  }
  TRY(check_kind(dir.get(), path, kind));
  return dir;
}

Result<std::string> path_of(int fd) {
  char link[32];
  (void)::snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  char buffer[PATH_MAX];
  const ssize_t size = ::readlink(link, buffer, sizeof(buffer));
  if (size < 0) return sys_error("readlink of a descriptor");
  if (static_cast<size_t>(size) == sizeof(buffer)) return sys_error("readlink of a descriptor", ENAMETOOLONG);
  return std::string(buffer, static_cast<size_t>(size));
}

namespace {

// "/", or "/a/b" without an empty, "." or ".." component: what nearly every path of a request is.
bool is_clean_absolute(std::string_view path) {
  if (!path.starts_with('/')) return false;
  if (path.size() > 1 && path.back() == '/') return false;
  for (size_t slash = 0; slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    const std::string_view rest = path.substr(slash + 1);
    if (rest.starts_with('/') || rest == "." || rest == ".." || rest.starts_with("./") ||
        rest.starts_with("../"))
      return false;
  }
  return true;
}

}  // namespace

std::string clean_path(std::string_view path) {
  if (path.empty()) return ".";
  if (is_clean_absolute(path)) return std::string(path);
  const bool rooted = path.front() == '/';
  std::vector<std::string_view> kept;
  for (std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == ".." && !kept.empty() && kept.back() != "..") {
      kept.pop_back();
    } else if (part != ".." || !rooted) {
      kept.push_back(part);
    }
  }
  std::string clean = rooted ? "/" : "";
  for (size_t i = 0; i < kept.size(); ++i) {
    if (i > 0) clean += '/';
    clean += kept[i];
  }
  return clean.empty() ? "." : clean;
}

bool has_trusted_parents(const std::string& path) {
  for (size_t slash = path.rfind('/'); slash != std::string::npos;
       slash = slash == 0 ? std::string::npos : path.rfind('/', slash - 1)) {
    const std::string directory = slash == 0 ? "/" : path.substr(0, slash);
    struct stat info {};
    if (::stat(directory.c_str(), &info) != 0 || info.st_uid != 0 || (info.st_mode & 022) != 0) return false;
  }
  return true;
}

bool path_is_within(std::string_view path, std::string_view ancestor) {
  if (ancestor == "/") return !path.empty() && path.front() == '/';
  return path == ancestor ||
         (path.size() > ancestor.size() && path.starts_with(ancestor) && path[ancestor.size()] == '/');
}

std::string join_path(std::string_view left, std::string_view right) {
  if (left.empty()) return std::string(right);
  while (!right.empty() && right.front() == '/') right.remove_prefix(1);
  if (left.back() == '/') return concat({left, right});
  return concat({left, "/", right});
}

Status make_directories(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return ok_status();
  if (errno != ENOENT) return sys_error(concat({"mkdir ", path}));
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return sys_error(concat({"mkdir ", path}), ENOENT);
  TRY(make_directories(path.substr(0, slash), mode));
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return ok_status();
  return sys_error(concat({"mkdir ", path}));
}

namespace {

Status remove_entries(int dir, dev_t device, int depth) {
  if (depth > 64) return make_error(Code::kInternal, "directory tree is too deep to remove");
  const int copy = ::openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return sys_error("open directory");
  DIR* stream = ::fdopendir(copy);
  if (stream == nullptr) {
    (void)::close(copy);
    return sys_error("fdopendir");
  }
  Status status = ok_status();
  while (status.ok()) {
    const dirent* entry = ::readdir(stream);
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (::unlinkat(dir, name.c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR && errno != EPERM) {
      status = sys_error(concat({"unlink ", name}));
      break;
    }
    Result<Fd> child = open_at(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!child.ok()) {
      status = std::move(child).error();
      break;
    }
    struct stat info {};
    if (::fstat(child->get(), &info) != 0 || info.st_dev != device) {
      status = make_error(Code::kInternal, concat({name, " is a mount point; not removed"}));
      break;
    }
    status = remove_entries(child->get(), device, depth + 1);
    if (status.ok() && ::unlinkat(dir, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
      status = sys_error(concat({"rmdir ", name}));
    }
  }
  (void)::closedir(stream);
  return status;
}

}  // namespace

bool is_empty_directory(int dir) {
  const Fd list(::openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Room for "." and "..": whatever else comes first or does not fit is an entry. fdopendir(3) would take
  // 32 KiB and four more calls.
  alignas(dirent64) char entries[512];
  while (true) {
    const ssize_t size = ::getdents64(list.get(), entries, sizeof(entries));
    if (size <= 0) return size == 0;
    for (ssize_t at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries + at);
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") return false;
      at += entry->d_reclen;
    }
  }
}

Status remove_tree(const std::string& path) {
  Result<Fd> dir = open_path(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir.ok()) {
    if (dir.error().sys_errno == ENOENT) return ok_status();
    return std::move(dir).error();
  }
  struct stat info {};
  if (::fstat(dir->get(), &info) != 0) return sys_error(concat({"stat ", path}));
  TRY_AT(remove_entries(dir->get(), info.st_dev, 0), path);
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) return sys_error(concat({"rmdir ", path}));
  return ok_status();
}

}  // namespace gabion
