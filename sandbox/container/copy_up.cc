#include "container/copy_up.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <string>

#include "base/path.h"
#include "base/text.h"

namespace gabion::container {

namespace {

constexpr int kMaxDepth = 64;
constexpr int kMaxEntries = 65536;

class Copier {
 public:
  Status directory(int from, int to, int depth);

 private:
  Status entry(int from, int to, const char* name, int depth);
  Status file(int from, int to, const char* name);
  int entries_ = 0;
};

Status copy_link(int from, int to, const char* name) {
  char target[PATH_MAX];
  const ssize_t size = ::readlinkat(from, name, target, sizeof(target) - 1);
  if (size < 0) return sys_error(concat({"readlink ", name}));
  target[size] = '\0';
  if (::symlinkat(target, to, name) != 0) return sys_error(concat({"symlink ", name}));
  return ok_status();
}

Status copy_data(int from, int to) {
  while (true) {
    const ssize_t copied = ::copy_file_range(from, nullptr, to, nullptr, size_t{1} << 30, 0);
    if (copied == 0) return ok_status();
    if (copied > 0 || errno == EINTR) continue;
    // Across filesystems only since Linux 5.19, and not from every kind.
    if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP) return sys_error("copy");
    break;
  }
  char buffer[65536];
  while (true) {
    const ssize_t got = ::read(from, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("read");
    if (got == 0) return ok_status();
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = ::write(to, buffer + done, static_cast<size_t>(got - done));
      if (put < 0 && errno != EINTR) return sys_error("write");
      if (put > 0) done += put;
    }
  }
}

// Owner first: chown(2) clears the set-id bits.
Status copy_attributes(int to, const char* name, const struct stat& info) {
  if (::fchownat(to, name, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return sys_error(concat({"chown ", name}));
  }
  if (!S_ISLNK(info.st_mode) && ::fchmodat(to, name, info.st_mode & 07777, 0) != 0) {
    return sys_error(concat({"chmod ", name}));
  }
  const timespec times[2] = {info.st_atim, info.st_mtim};
  if (::utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) != 0) return sys_error(concat({"utimes ", name}));
  return ok_status();
}

Status Copier::file(int from, int to, const char* name) {
  // O_NONBLOCK: should the entry have become a FIFO since it was looked at, opening must not wait.
  const Fd source = TRY(open_at(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  struct stat info {};
  if (::fstat(source.get(), &info) != 0) return sys_error(concat({"stat ", name}));
  if (!S_ISREG(info.st_mode))
    return make_error(Code::kInvalid, concat({name, " changed while it was copied"}));
  const Fd target = TRY(open_at(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TRY_AT(copy_data(source.get(), target.get()), name);
  return ok_status();
}

Status Copier::entry(int from, int to, const char* name, int depth) {
  if (++entries_ > kMaxEntries) {
    return make_error(Code::kInvalid, concat({"more than ", std::to_string(kMaxEntries), " files"}));
  }
  struct stat info {};
  if (::fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return sys_error(concat({"stat ", name}));
  switch (info.st_mode & S_IFMT) {
    case S_IFDIR: {
      if (::mkdirat(to, name, 0700) != 0) return sys_error(concat({"mkdir ", name}));
      const Fd source = TRY(open_at(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      const Fd target = TRY(open_at(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      TRY(directory(source.get(), target.get(), depth + 1));
      break;
    }
    case S_IFREG:
      TRY(file(from, to, name));
      break;
    case S_IFLNK:
      TRY(copy_link(from, to, name));
      break;
    case S_IFIFO:
      if (::mkfifoat(to, name, 0600) != 0) return sys_error(concat({"mkfifo ", name}));
      break;
    case S_IFSOCK:
      return ok_status();
    default:
      return make_error(Code::kInvalid, concat({name, " is a device node, which is not copied"}));
  }
  return copy_attributes(to, name, info);
}

Status Copier::directory(int from, int to, int depth) {
  if (depth > kMaxDepth) {
    return make_error(Code::kInvalid, concat({"more than ", std::to_string(kMaxDepth), " levels"}));
  }
  Fd listing = TRY(open_at(from, ".", O_RDONLY | O_DIRECTORY));
  DIR* stream = ::fdopendir(listing.get());
  if (stream == nullptr) return sys_error("open a directory");
  (void)listing.release();  // closed by closedir(3)
  Status status = ok_status();
  errno = 0;
  while (const dirent* found = ::readdir(stream)) {
    const std::string_view name = found->d_name;
    if (name != "." && name != "..") status = entry(from, to, found->d_name, depth);
    if (!status.ok()) break;
    errno = 0;
  }
  if (status.ok() && errno != 0) status = sys_error("read a directory");
  (void)::closedir(stream);
  return status;
}

}  // namespace

Status copy_up(int from, int to) {
  struct stat info {};
  if (::fstat(from, &info) != 0) return sys_error("stat");
  // A descriptor of fsmount(2) only names its directory, as one of O_PATH does.
  const Fd target = TRY(open_at(to, ".", O_RDONLY | O_DIRECTORY));
  Copier copier;
  TRY(copier.directory(from, target.get(), 0));
  if (::fchown(target.get(), info.st_uid, info.st_gid) != 0) return sys_error("chown");
  if (::fchmod(target.get(), info.st_mode & 07777) != 0) return sys_error("chmod");
  return ok_status();
}

}  // namespace gabion::container
