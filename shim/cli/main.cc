// Process set-up, then the program. Everything else is in the library, where tests reach it.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <span>

#include "shim/cli/command.h"

namespace {

// Called with a standard descriptor closed, the first file opened would become it, and a container's
// output would go there. The kernel does this only for setuid programs.
bool open_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd) return false;  // NOLINT
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 1 || !open_standard_descriptors()) return 1;
  // Ignored by a caller, SIGCHLD stays ignored across execve(2); the kernel then reaps every child
  // itself, and no exit status is ever seen (wait(2)).
  if (::signal(SIGCHLD, SIG_DFL) == SIG_ERR) return 1;
  return gabion::cli::run_program(std::span<const char* const>(argv, static_cast<size_t>(argc)));
}
