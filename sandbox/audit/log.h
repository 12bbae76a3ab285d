// The audit log: one JSON line per event, appended before the side effect it reports. A line that
// cannot be written is an error the caller must treat as "no" (kill and delete excepted: refusing
// to stop a container would be worse than a gap, and the gap itself is recorded later).
#pragma once

#include <string>
#include <string_view>

#include "audit/record.h"
#include "base/fd.h"
#include "base/result.h"

namespace gabion::audit {

class Log {
 public:
  // Opens (and makes: 0600, parent 0700) the file. Refuses a symbolic link, a file not owned by
  // root or one that others may write.
  static Result<Log> open(const std::string& path);
  // Writes nothing: `explain`, `policy check`, unit tests.
  static Log disabled();

  // One O_APPEND write(2) under flock(2): lines of concurrent processes never mix, and a torn tail
  // left by a killed writer is closed off first.
  Status append(const Record& record);

 private:
  Log() = default;
  std::string path_;
  Fd fd_;
  bool disabled_ = false;
};

}  // namespace gabion::audit
