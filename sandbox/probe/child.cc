#include "probe/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gabion::probe {

int try_in_child(const std::function<bool()>& attempt) {
  constexpr int kPatienceSeconds = 5;
  const pid_t pid = ::fork();
  if (pid < 0) return errno;
  if (pid == 0) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)::alarm(kPatienceSeconds);
    errno = 0;
    if (attempt()) ::_exit(0);
    ::_exit(errno > 0 && errno < 255 ? errno : 255);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace gabion::probe
