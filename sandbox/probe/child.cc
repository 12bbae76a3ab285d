#include "probe/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"

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

bool says_nothing(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS || error == EAGAIN;
}

Check tried(std::string_view group, std::string_view name, int weight, int error) {
  const bool open = error == 0 || says_nothing(error);
  const char* const word = error > 0 ? ::strerrorname_np(error) : nullptr;
  Check check{
      .group = group, .name = name, .weight = weight, .open = open, .detail = word != nullptr ? word : ""};
  if (error != 0 && open) check.detail = concat({kNotMeasured, ": ", check.detail});
  return check;
}

void add_if_open(std::string& open, std::string_view thing, int error) {
  if (error != 0 && !says_nothing(error)) return;
  open += concat({open.empty() ? "" : " ", thing});
  if (error != 0) open += concat({" (", kNotMeasured, ")"});
}

}  // namespace gabion::probe
