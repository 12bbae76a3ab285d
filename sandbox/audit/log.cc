// Appending. The order in the file is the order under the lock; what a crash leaves is closed off
// by the next writer, never removed: a log that shrinks cannot be told from one that was cut.
#include "audit/log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>

#include "audit/tail.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/path.h"
#include "base/text.h"

namespace gabion::audit {

namespace {

constexpr int64_t kLockWaitNs = 2'000'000'000;
constexpr size_t kMaxGapBytes = 16384;

std::string gap_file(const std::string& gap_directory, const std::string& path) {
  std::string name = path;
  for (char& c : name) {
    if (c == '/') c = '-';
  }
  // A file name holds 255 bytes (NAME_MAX); the end of a path tells more than its start.
  if (name.size() > 200) name.erase(0, name.size() - 200);
  return concat({gap_directory, "/gap", name});
}

Result<Fd> open_file(const std::string& path) {
  // O_NONBLOCK and O_NOCTTY: a FIFO or a terminal put in the file's place must not hold the runtime.
  // O_RDWR: the last record's number is read back.
  constexpr int kFlags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  Result<Fd> opened = open_path(path, kFlags, 0600);
  if (!opened.ok() && opened.error().sys_errno == ENOENT) {
    const size_t slash = path.rfind('/');
    if (slash != std::string::npos && slash > 0) TRY(make_directories(path.substr(0, slash), 0700));
    opened = open_path(path, kFlags, 0600);
  }
  if (!opened.ok() && opened.error().sys_errno == ELOOP) {
    return make_error(Code::kRefused, "a symbolic link; name the file itself");
  }
  Fd fd = TRY(std::move(opened));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return sys_error("stat");
  if (!S_ISREG(info.st_mode)) return make_error(Code::kRefused, "not a regular file");
  if (info.st_uid != 0) return make_error(Code::kRefused, "not owned by root; chown it or move it away");
  if ((info.st_mode & 022) != 0) {
    return make_error(Code::kRefused,
                      "writable by group or others; chmod 600 it after checking what it holds");
  }
  return fd;
}

// Holds the flock for one append.
class Unlock {
 public:
  explicit Unlock(int fd) : fd_(fd) {}
  Unlock(const Unlock&) = delete;
  Unlock& operator=(const Unlock&) = delete;
  ~Unlock() { (void)::flock(fd_, LOCK_UN); }

 private:
  int fd_;
};

// What was cut stays in the file; its hash ties the repair to those very bytes, so that a later edit
// of them shows.
Record torn_record(int fd, const Tail& tail) {
  Record record;
  record.event = "audit.torn";
  record.outcome = "error";
  record.reason =
      "a writer was killed, or the disk was full, in the middle of a line; it was closed off with '!'";
  std::string torn(std::min(tail.torn_bytes, kMaxLine), '\0');
  const ssize_t got = ::pread(fd, torn.data(), torn.size(), static_cast<off_t>(tail.torn_offset));
  torn.resize(got > 0 ? static_cast<size_t>(got) : 0);
  record.detail = concat({"offset ", std::to_string(tail.torn_offset), ", ", std::to_string(tail.torn_bytes),
                          " bytes, sha256 ", sha256_hex(torn)});
  return record;
}

Record gap_record(const std::string& noted) {
  Record record;
  record.event = "audit.gap";
  record.outcome = "error";
  record.reason = "events happened or were refused while the log could not be written";
  record.detail = std::string(trim(noted));
  return record;
}

}  // namespace

Result<Log> Log::open(const std::string& path, const std::string& gap_directory) {
  Log log;
  log.path_ = path;
  log.gap_path_ = gap_file(gap_directory, path);
  log.fd_ = TRY_AT(open_file(path), concat({"audit log ", path}));
  return log;
}

Status Log::reopen() {
  actor_.reset();
  if (disabled_ || failure_) return ok_status();
  fd_ = TRY_AT(open_file(path_), concat({"audit log ", path_}));
  return ok_status();
}

Log Log::disabled() {
  Log log;
  log.disabled_ = true;
  return log;
}

Log Log::failed(const std::string& path, Error why, const std::string& gap_directory) {
  Log log;
  log.path_ = path;
  log.gap_path_ = gap_file(gap_directory, path);
  log.failure_ = std::move(why);
  return log;
}

Status Log::append(const Record& record) {
  if (disabled_) return ok_status();
  if (failure_) {
    note_gap(record);
    return *failure_;
  }
  Status appended = append_line(record);
  if (appended.ok()) return appended;
  note_gap(record);
  return std::move(appended).error().wrap(concat({"audit log ", path_}));
}

Status Log::append_line(const Record& record) {
  if (!actor_) actor_ = current_actor();  // before the lock: others wait for it
  TRY(lock());
  const Unlock unlock(fd_.get());
  const Tail tail = TRY(read_tail(fd_.get(), "file"));
  uint64_t seq = tail.seq;
  std::string text;
  if (tail.torn_bytes > 0) {
    // A bare newline could complete a line that was cut just before its own, and bring a record back
    // whose append had failed; '!' cannot be JSON.
    text += "!\n";
    text += format_line(torn_record(fd_.get(), tail), *actor_, ++seq);
  }
  const bool gap = ::access(gap_path_.c_str(), F_OK) == 0;
  if (gap) {
    const std::string noted = TRY(read_file(gap_path_, 2 * kMaxGapBytes));
    text += format_line(gap_record(noted), *actor_, ++seq);
  }
  text += format_line(record, *actor_, ++seq);
  ssize_t written = -1;
  do {
    written = ::write(fd_.get(), text.data(), text.size());
  } while (written < 0 && errno == EINTR);
  // A short write to a regular file means that the space ran out on the way (write(2)).
  const int error_number = written < 0 ? errno : ENOSPC;
  if (written != static_cast<ssize_t>(text.size())) {
    return sys_error(
        "write (free space on its file system or rotate the file: what cannot be logged is not run)",
        error_number);
  }
  if (gap) (void)::unlink(gap_path_.c_str());  // left behind, it would only be reported twice
  return ok_status();
}

Status Log::lock() {
  int64_t waited_ns = 0;
  int64_t pause_ns = 50'000;
  while (true) {
    if (::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0) {
      struct stat held {};
      struct stat named {};
      if (::fstat(fd_.get(), &held) != 0) return sys_error("stat");
      if (::lstat(path_.c_str(), &named) == 0 && held.st_ino == named.st_ino && held.st_dev == named.st_dev) {
        return ok_status();
      }
      // Rotated away: closing the old file drops its lock.
      fd_ = TRY(open_file(path_));
    } else if (errno != EWOULDBLOCK && errno != EINTR) {
      return sys_error("lock");
    }
    if (waited_ns >= kLockWaitNs) {
      return sys_error("lock (held by another process; `fuser` names it)", ETIMEDOUT);
    }
    const timespec nap{.tv_sec = 0, .tv_nsec = pause_ns};
    (void)::nanosleep(&nap, nullptr);  // cut short by a signal, it is only a shorter wait
    waited_ns += pause_ns;
    if (pause_ns < 2'000'000) pause_ns *= 2;
  }
}

// Best effort by nature: it runs when the log itself has failed.
void Log::note_gap(const Record& record) const {
  const size_t slash = gap_path_.rfind('/');
  if (!make_directories(gap_path_.substr(0, slash), 0700).ok()) return;
  const Result<Fd> fd = open_path(gap_path_, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (!fd.ok()) return;
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0 || info.st_size > static_cast<off_t>(kMaxGapBytes)) return;
  (void)write_all(fd->get(), concat({now_rfc3339(), " ", record.event, " ", record.container, " ",
                                     std::string_view(record.detail).substr(0, 200), "; "}));
}

}  // namespace gabion::audit
