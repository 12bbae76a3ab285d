// The conversation between the runtime (parent) and a process it is making (child).
//
//     parent                                   child
//       │  clone3                                │
//       │ ───────────────────────────────────▶   │  joins namespaces, mounts
//       │  makes v1's cgroups meanwhile          │
//       │  kGrouped (only if there are any)      │
//       │ ───────────────────────────────────▶   │  joins its cgroups, mounts the rest
//       │  kHooks   (only if the spec has some)  │
//       │ ◀───────────────────────────────────   │
//       │  runs prestart, createRuntime          │
//       │  kContinue                             │
//       │ ───────────────────────────────────▶   │  createContainer hooks, pivot_root, seals itself
//       │  kPlace   (one for each of Landlock's) │
//       │ ◀───────────────────────────────────   │
//       │  kReady | kError                       │
//       │ ◀───────────────────────────────────   │
//       │  writes the state and the pid file     │
//       │  kCommit                               │
//       │ ───────────────────────────────────▶   │  no longer dies with its parent
//       │  kCommitted                            │
//       │ ◀───────────────────────────────────   │  waits for start
//       │  may end now
//
// A closed channel is an answer too: a child whose parent is gone before kCommit exits; a parent whose
// child is gone reports that. SOCK_SEQPACKET keeps messages whole.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::container {

enum class MessageKind : int {
  kPid = 1,  // a go-between tells the pid of the process it made
  kGrouped,
  kHooks,
  kContinue,
  kPlace,  // the value is its index in the plan, the code its mount, the text its path
  kReady,
  kCommit,     // exec: the value is the process's pid on the host, which it cannot see itself
  kCommitted,  // the child outlives its parent from here on
  kExecuting,  // the last word before execve(2)
  kError,
};

struct Message {
  MessageKind kind = MessageKind::kError;
  int value = 0;     // kPid: the pid; kError: errno; kPlace, kCommit: see above
  int code = 0;      // kError: gabion::Code; kPlace: see above
  std::string text;  // kError: context; kPlace: see above
};

class Channel {
 public:
  static Result<std::pair<Channel, Channel>> pair();
  explicit Channel(Fd socket) : socket_(std::move(socket)) {}
  Channel() = default;

  [[nodiscard]] Status send(const Message& message) const;
  [[nodiscard]] Status send(MessageKind kind, int value = 0) const;
  [[nodiscard]] Status send_error(const Error& error) const;

  // Code::kNotFound when the other end is gone.
  [[nodiscard]] Result<Message> receive() const;
  // The message must be `kind`, or `other`; a kError becomes its error.
  [[nodiscard]] Result<Message> expect(MessageKind kind) const { return expect(kind, kind); }
  [[nodiscard]] Result<Message> expect(MessageKind kind, MessageKind other) const;

  [[nodiscard]] int fd() const { return socket_.get(); }
  void close() { socket_.reset(); }

 private:
  Fd socket_;
};

}  // namespace gabion::container
