#include "shim/containerd/fifo.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/path.h"
#include "base/text.h"

namespace gabion::shim {

namespace {

// The kernel tells nobody that a fifo has got its first reader, or that it is empty: epoll(7) wakes no writer
// for it.
constexpr int64_t kFirstPauseMs = 1;
constexpr int64_t kLongestPauseMs = 1000;
constexpr int64_t kLongestPauseOfReaderMs = 100;  // a slow reader sees the end no later

}  // namespace

Result<Fd> open_fifo(const std::string& path, int flags) {
  Fd fd = TRY_AT(open_path(path, flags | O_NONBLOCK | O_NOFOLLOW), concat({"stdio: ", path}));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return sys_error(concat({"stdio: ", path}));
  if (!S_ISFIFO(info.st_mode)) return make_error(Code::kInvalid, concat({"stdio: ", path, " is not a fifo"}));
  return fd;
}

FifoKeeper::~FifoKeeper() {
  if (timer_ != 0) loop_.cancel(timer_);
}

void FifoKeeper::written() {
  if (!reading_.valid()) return;
  Result<Fd> writing = open_fifo(path_, O_WRONLY);
  if (!writing.ok()) return reading_.reset();  // its name is gone, so nobody will open it
  writing_ = std::move(writing).value();
  reading_.reset();
  pause_ms_ = kFirstPauseMs;
  look_for_reader();
}

bool FifoKeeper::has_unread() const {
  const Fd& end = writing_.valid() ? writing_ : reading_;
  int bytes = 0;
  return end.valid() && ::ioctl(end.get(), FIONREAD, &bytes) == 0 && bytes > 0;
}

void FifoKeeper::look_for_reader() {
  timer_ = 0;
  const Result<Fd> other = open_fifo(path_, O_WRONLY);
  const bool no_reader = !other.ok() && other.error().sys_errno == ENXIO;
  const bool no_name = !other.ok() && !no_reader;
  if (no_name || (!no_reader && !has_unread())) return writing_.reset();
  if (!no_reader && !has_reader_) pause_ms_ = kFirstPauseMs;  // who has just come will soon have read it
  has_reader_ = !no_reader;
  timer_ = loop_.after(pause_ms_, [this] { look_for_reader(); });
  pause_ms_ = std::min(pause_ms_ * 2, has_reader_ ? kLongestPauseOfReaderMs : kLongestPauseMs);
}

}  // namespace gabion::shim
