// Compiled filters, kept by their content: engines send one filter with thousands of containers.
//
// A file is named by the digest of what was compiled and of the program that compiled it, and begins with
// the digest of what it holds. Whoever could write one could as well write a container's state; so the
// directory must be root's alone, and one that is not, is not used. A cache that cannot be read or written
// is no error: the filter is compiled.
#pragma once

#include <string>

#include "base/result.h"
#include "kernel/seccomp.h"

namespace gabion::kernel::seccomp {

inline constexpr const char* kCacheDirectory = "/run/gabion/filters";

// As compile(). `directory` is made if absent.
Result<Program> compile_cached(const Filter& filter, const Watch* watch = nullptr,
                               const std::string& directory = kCacheDirectory);

// The file's name: 64 hexadecimal digits.
std::string cache_key(const Filter& filter, const Watch* watch = nullptr);

}  // namespace gabion::kernel::seccomp
