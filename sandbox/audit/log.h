// The audit log: one JSON line per event, appended before the side effect it reports. A line that
// cannot be written is an error the caller must treat as "no" (kill and delete excepted: refusing
// to stop a container would be worse than a gap, and the gap itself is recorded later).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "audit/record.h"
#include "base/fd.h"
#include "base/result.h"

namespace gabion::audit {

inline constexpr const char* kDefaultLog = "/var/log/gabion/audit.jsonl";
// Where events that could not be logged are noted until the log takes lines again: a tmpfs, so that
// a full disk does not take the note as well.
inline constexpr const char* kGapDirectory = "/run/gabion/gaps";

class Log {
 public:
  // Opens (and makes: 0600, parent 0700) the file. Refuses a symbolic link, a file not owned by
  // root or one that others may write.
  static Result<Log> open(const std::string& path, const std::string& gap_directory = kGapDirectory);
  // Writes nothing: `explain`, `policy check`, unit tests.
  static Log disabled();
  // A log that could not be opened, for kill and delete: every append fails with `why` and notes
  // the gap.
  static Log failed(const std::string& path, Error why, const std::string& gap_directory = kGapDirectory);

  // One O_APPEND write(2) under flock(2): lines of concurrent processes never mix, and a torn tail
  // left by a killed writer is closed off first. Waits at most 2 s for the lock. A file rotated away
  // under a long-lived process is noticed and the new one used.
  Status append(const Record& record);

  // Whoever asked, where that is not our parent: the client of a shim.
  void act_for(const Actor& caller) { actor_ = caller; }

  // For a process that fork(2) has made: a flock(2) belongs to the open file, which the two share until
  // this. Asks anew who the caller is.
  Status reopen();
  // For a process that closes what it does not need; -1: there is none.
  [[nodiscard]] int descriptor() const { return fd_.get(); }

 private:
  Log() = default;
  Status append_line(const Record& record);
  Status lock();
  void note_gap(const Record& record) const;

  std::string path_;
  std::string gap_path_;
  Fd fd_;
  bool disabled_ = false;
  std::optional<Error> failure_;
  std::optional<Actor> actor_;  // who called this process, read once: a caller that ends is no other caller
};

}  // namespace gabion::audit
