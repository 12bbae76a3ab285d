// Holds the lock of what it has for a standard stream, for as long as it lives.
//
//   holder            of the pipe that is its output: splice(2) from a socket where nothing comes waits with it held
//   holder input      of the pipe that is its input. In both a child does it, and the process that was asked for ends
//   holder terminal   of its terminal's size, which ioctl(2) copies to memory that never comes (userfaultfd(2)). The
//                     process stays, and the child after it; needs SYS_PTRACE outside of user namespaces
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int hold_pipe(int pipe) {
  int pair[2];
  if (pipe < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 1;
  if (fork() == 0) {
    splice(pair[0], NULL, pipe, NULL, 4096, 0);
    pause();
  }
  usleep(200000);
  return 0;
}

static int hold_terminal(void) {
  signal(SIGHUP, SIG_IGN);
  pid_t parent = getpid();
  // Registrations are not inherited: the child makes its own.
  if (fork() != 0) {
    pause();
    return 0;
  }
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  int faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
  struct uffdio_api api = {.api = UFFD_API};
  char* memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct uffdio_register range = {.range = {(unsigned long)memory, page}, .mode = UFFDIO_REGISTER_MODE_MISSING};
  if (faults < 0 || memory == MAP_FAILED || ioctl(faults, UFFDIO_API, &api) != 0 ||
      ioctl(faults, UFFDIO_REGISTER, &range) != 0) {
    perror("userfaultfd");
    kill(parent, SIGKILL);
    return 1;
  }
  puts("held");
  fflush(stdout);
  ioctl(0, TIOCGWINSZ, memory);
  return 1;
}

int main(int count, char** words) {
  const char* what = count > 1 ? words[1] : "";
  if (strcmp(what, "input") == 0) return hold_pipe(open("/proc/self/fd/0", O_WRONLY));
  if (strcmp(what, "terminal") == 0) return hold_terminal();
  return hold_pipe(1);
}
