// The end of an audit file: the last whole record's number, and what a killed writer left behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace gabion::audit {

struct Tail {
  uint64_t seq = 0;          // of the last whole record; 0: none
  uint64_t torn_offset = 0;  // where an unfinished line begins
  size_t torn_bytes = 0;     // its length; 0: the file ends with a newline
};

// `fd` is readable and locked by the caller. Code::kInvalid when the file is not empty and holds no
// record within reach: not an audit log, and not to be appended to.
Result<Tail> read_tail(int fd, std::string_view name);

}  // namespace gabion::audit
