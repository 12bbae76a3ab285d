// A runtime that stays with its container: forwards signals, copies the terminal, and returns with the
// container's exit code.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::container {

// Blocks the signals a foreground runtime forwards. Before the child is made, so that none is lost in
// between; the child unblocks them again before execve(2).
class SignalForwarder {
 public:
  static Result<SignalForwarder> open();
  // Until `pid` (an unreaped child) ends. `terminal`: the master of its console, or -1. The value is
  // the exit code, 128 + n for signal n.
  Result<int> wait(pid_t pid, int terminal);

 private:
  SignalForwarder() = default;
  Fd signals_;
};

// Where the child sends the master of its terminal: the caller's --console-socket or connected `socket_fd`,
// or, for a foreground runtime (`socket` is "" and `socket_fd` -1), to this very process.
struct ConsoleEnds {
  Fd sender;    // for the child
  Fd receiver;  // invalid with a console socket
};
// runc's rules and words: a terminal needs someone to hold its other end.
Status check_console(bool detach, bool terminal, const std::string& socket, int socket_fd);
Result<ConsoleEnds> console_ends(const std::string& socket, int socket_fd);

// The master that the child has sent, at the size of the caller's own terminal. Before the program is
// executed: it may ask for the size at once.
Result<Fd> receive_console(int receiver);

// Reaps `pid`. The exit code as above.
Result<int> reap(pid_t pid);

}  // namespace gabion::container
