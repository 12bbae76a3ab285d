// What a copier does: the other side of copier.h, in a process that may wait for a container.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/fd.h"

namespace gabion::shim {

// What containerd names, opened before the container has anything.
struct CopiedInput {
  Fd reading;  // invalid: nothing
  Fd keeper;   // the writing end: the input ends with it, not while containerd is restarted
};
struct CopiedOutput {
  std::string fifo;  // "": a file
  Fd writing;        // invalid: nothing
  Fd keeper;         // of a fifo: the reading end
};
struct CopiedFiles {
  CopiedInput input;
  std::array<CopiedOutput, 2> outputs;  // with a terminal the first alone
};

// What the shim says, in one packet. That it has nothing more to say (SHUT_WR), for which there is always
// room, says that the process has ended; that its end is closed, that the process is deleted.
struct CopierWord {
  enum class Kind : uint8_t { kCloseInput, kResize };
  Kind kind = Kind::kCloseInput;
  uint16_t rows = 0;  // of kResize
  uint16_t columns = 0;
};

// What the copier says once the process has ended, whenever it changes. Its own end says kAllRead.
constexpr char kUnread = 'u';  // what the process wrote waits for who reads it
constexpr char kAllRead = 'r';

// The copier's whole life, in the shim's child. `control`: CopierWords come, kUnread and kAllRead go.
// `process`: without a terminal the process's ends are sent over it, in the order of their numbers; else its
// master comes over it, or nothing before its end.
[[noreturn]] void run_copier(CopiedFiles files, Fd control, Fd process, bool terminal);

}  // namespace gabion::shim
