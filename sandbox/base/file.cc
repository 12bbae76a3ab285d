#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>

#include "base/path.h"
#include "base/text.h"

namespace gabion {

Result<std::string> read_fd(int fd, size_t limit, std::string_view name) {
  std::string text;
  struct stat info {};
  size_t guess = 4096;
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
    if (static_cast<uint64_t>(info.st_size) > limit) {
      return make_error(Code::kInvalid, concat({name, ": larger than ", std::to_string(limit), " bytes"}));
    }
    guess = static_cast<size_t>(info.st_size) + 1;
  }
  while (true) {
    const size_t used = text.size();
    ssize_t got = 0;
    text.resize_and_overwrite(used + guess, [&](char* data, size_t) {
      got = ::read(fd, data + used, guess);
      return used + static_cast<size_t>(got > 0 ? got : 0);
    });
    if (got < 0) {
      if (errno == EINTR) continue;
      return sys_error(concat({"read ", name}));
    }
    if (got == 0) return text;
    if (text.size() > limit) {
      return make_error(Code::kInvalid, concat({name, ": larger than ", std::to_string(limit), " bytes"}));
    }
    guess = text.size() < 65536 ? 4096 : text.size();
  }
}

Result<std::string> read_file_at(int dir, const std::string& path, size_t limit) {
  // O_NONBLOCK: a FIFO put in place of the file must not hold the runtime; regular files ignore it.
  const Fd fd = TRY(open_at(dir, path, O_RDONLY | O_NOCTTY | O_NONBLOCK));
  return read_fd(fd.get(), limit, path);
}

Result<std::string> read_file(const std::string& path, size_t limit) {
  return read_file_at(AT_FDCWD, path, limit);
}

Status write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t put = ::write(fd, data.data(), data.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      return sys_error("write");
    }
    data.remove_prefix(static_cast<size_t>(put));
  }
  return ok_status();
}

Status write_existing_at(int dir, const std::string& path, std::string_view data) {
  const Fd fd = TRY(open_at(dir, path, O_WRONLY | O_NOCTTY));
  while (::write(fd.get(), data.data(), data.size()) < 0) {
    if (errno != EINTR) return sys_error(concat({"write \"", data, "\" to ", path}));
  }
  return ok_status();
}

Status write_existing(const std::string& path, std::string_view data) {
  return write_existing_at(AT_FDCWD, path, data);
}

Status write_file_atomic_at(int dir, const std::string& name, std::string_view data, mode_t mode) {
  // The pid keeps concurrent writers apart. A left-over of a killed writer with the same pid goes; O_EXCL,
  // because in a directory such as /tmp (a pid file) the name may be somebody else's file, who would go on
  // owning what is renamed into place.
  const std::string temporary = concat({name, ".", std::to_string(::getpid()), ".tmp"});
  Status written = ok_status();
  {
    (void)::unlinkat(dir, temporary.c_str(), 0);
    const Fd fd = TRY(open_at(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
    written = write_all(fd.get(), data);
  }
  if (written.ok() && ::renameat(dir, temporary.c_str(), dir, name.c_str()) != 0) {
    written = sys_error("rename");
  }
  if (written.ok()) return written;
  (void)::unlinkat(dir, temporary.c_str(), 0);
  return std::move(written).error().wrap(concat({"write ", name}));
}

Status write_file_atomic(const std::string& path, std::string_view data, mode_t mode) {
  return write_file_atomic_at(AT_FDCWD, path, data, mode);
}

Result<Fd> lock_file_at(int dir, const std::string& name, int timeout_ms) {
  Fd fd = TRY(open_at(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  // flock(2) has no timed form; SIGALRM would disturb the caller. Waiting is rare, so poll, from
  // 50 µs up to 5 ms.
  int64_t waited_ns = 0;
  int64_t pause_ns = 50'000;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return sys_error(concat({"lock ", name}));
    if (waited_ns >= int64_t{timeout_ms} * 1'000'000) {
      return sys_error(
          concat({"lock ", name, ": held by another process for ", std::to_string(timeout_ms), " ms"}),
          ETIMEDOUT);
    }
    timespec nap{.tv_sec = 0, .tv_nsec = pause_ns};
    (void)::nanosleep(&nap, nullptr);
    waited_ns += pause_ns;
    if (pause_ns < 5'000'000) pause_ns *= 2;
  }
  return fd;
}

}  // namespace gabion
