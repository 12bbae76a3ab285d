// Files of the node that decide what containers may do: policies, and the seccomp profiles they pin.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace gabion::policy {

// Whoever can write a directory above a file can put another in its place.
enum class Parents {
  kAny,      // the caller named the file, and answers for where it is
  kTrusted,  // every directory above is root's, and writable by no one else
};

// `fd`, opened as `path`, is a regular file of root's that root alone can write. `what` begins the errors:
// "a policy".
Status check_trusted_file(int fd, const std::string& path, std::string_view what, Parents parents);

}  // namespace gabion::policy
