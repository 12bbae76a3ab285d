// Trying what a container would do in a process that is thrown away: whatever it changes of itself,
// its namespaces or its mounts goes with it.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "base/result.h"

namespace gabion::node {

enum class Ending {
  kWithCaller,  // killed when the caller dies
  kOnItsOwn,    // goes on, deaf to all signals but SIGKILL, until it has cleared away what it made
};

// Runs `body` in a child; after 10 s it is killed (ETIMEDOUT). The value is the body's; Code::kInternal
// when the child died without one.
Status in_child(const std::function<Status()>& body, Ending ending = Ending::kWithCaller);
// The same as the first process of a new pid namespace (getpid() is 1).
Status in_pid_namespace(const std::function<Status()>& body);
// The same in a mount namespace of its own, from which nothing propagates.
Status in_mount_namespace(const std::function<Status()>& body);

// An empty directory, removed with this object.
class TemporaryDirectory {
 public:
  static Result<TemporaryDirectory> make(const std::string& parent);
  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace gabion::node
