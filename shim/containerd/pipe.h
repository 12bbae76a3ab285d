// A pipe, both of whose ends are closed on execution.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace gabion::shim {

struct Pipe {
  Fd reading;
  Fd writing;
};

// pipe(2); an error begins with `what`.
Result<Pipe> make_pipe(const char* what);

}  // namespace gabion::shim
