#include "base/fd.h"

#include <unistd.h>

namespace gabion {

void Fd::reset() {
  // close(2) must not be retried: Linux frees the number even when it answers EINTR.
  if (fd_ >= 0) (void)::close(fd_);
  fd_ = -1;
}

}  // namespace gabion
