// What several tests of container/ need: a directory of one's own and processes of one's own.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/path.h"
#include "tests/support/scratch.h"

namespace gabion::container::testing {

using tests::Scratch;

// A forked child; killed and reaped at the end of the test.
class Forked {
 public:
  // `body` runs in the child; its value is the exit code.
  explicit Forked(const std::function<int()>& body) : pid_(::fork()) {
    if (pid_ == 0) ::_exit(body());
  }
  Forked(Forked&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  Forked& operator=(Forked&&) = delete;
  ~Forked() {
    if (pid_ <= 0) return;
    (void)::kill(pid_, SIGKILL);
    (void)wait();
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  // The exit code, or 128 + the signal.
  int wait() {
    int status = 0;
    if (::waitpid(pid_, &status, 0) != pid_) return -1;
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

inline int sleep_for_ever() {
  while (true) ::pause();
}

inline void nap(int milliseconds) {
  timespec time{.tv_sec = milliseconds / 1000, .tv_nsec = long{milliseconds % 1000} * 1'000'000};
  while (::nanosleep(&time, &time) != 0) {
  }
}

// Polls for up to 5 s.
inline bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 500; ++i) {
    if (condition()) return true;
    nap(10);
  }
  return condition();
}

// Lets forked children go at the same moment: shared memory they spin on.
class Gate {
 public:
  Gate()
      : open_(static_cast<int*>(
            ::mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() { (void)::munmap(open_, sizeof(int)); }
  void open() { __atomic_store_n(open_, 1, __ATOMIC_SEQ_CST); }
  void wait() const {
    while (__atomic_load_n(open_, __ATOMIC_SEQ_CST) == 0) ::usleep(50);
  }

 private:
  int* open_;
};

}  // namespace gabion::container::testing
