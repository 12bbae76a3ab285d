#include "shim/containerd/pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/text.h"

namespace gabion::shim {

Result<Pipe> make_pipe(const char* what) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sys_error(concat({what, ": pipe2"}));
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

}  // namespace gabion::shim
