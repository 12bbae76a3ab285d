// System calls tried one after the other, each in a process of its own: the loop, and the attempts that more
// than one program of the tests makes. To be included once.
#pragma once

#include <errno.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long bpf_map(void) {
  union bpf_attr attribute;
  memset(&attribute, 0, sizeof(attribute));
  attribute.map_type = BPF_MAP_TYPE_ARRAY;
  attribute.key_size = attribute.value_size = 4;
  attribute.max_entries = 1;
  return syscall(SYS_bpf, BPF_MAP_CREATE, &attribute, sizeof(attribute));
}

static long io_uring(void) {
  struct io_uring_params parameters;
  memset(&parameters, 0, sizeof(parameters));
  return syscall(SYS_io_uring_setup, 1, &parameters);
}

// What the call answers, -1 with errno; ENOTSUP for a name that is not known here.
static long common_attempt(const char* name) {
  if (!strcmp(name, "unshare-user")) return unshare(CLONE_NEWUSER);
  if (!strcmp(name, "unshare-mount")) return unshare(CLONE_NEWNS);
  if (!strcmp(name, "unshare-net")) return unshare(CLONE_NEWNET);
  if (!strcmp(name, "fsopen")) return syscall(SYS_fsopen, "tmpfs", 0);
  if (!strcmp(name, "bpf")) return bpf_map();
  if (!strcmp(name, "io-uring")) return io_uring();
  if (!strcmp(name, "socket-alg")) return socket(AF_ALG, SOCK_SEQPACKET, 0);
  if (!strcmp(name, "socket-packet")) return socket(AF_PACKET, SOCK_RAW, 0);
  if (!strcmp(name, "socket-vsock")) return socket(AF_VSOCK, SOCK_STREAM, 0);
  errno = ENOTSUP;
  return -1;
}

// One line each: "NAME ok", "NAME errno-name" or "NAME SIGname". `attempt` answers as common_attempt() does.
static int try_all(int count, char** names, long (*attempt)(const char*)) {
  for (int i = 0; i < count; ++i) {
    fflush(stdout);
    // In a child: some attempts change the process, some filters kill it.
    pid_t pid = fork();
    if (pid == 0) {
      errno = 0;
      long answer = attempt(names[i]);
      printf("%s %s\n", names[i], answer >= 0 ? "ok" : strerrorname_np(errno));
      fflush(stdout);
      _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) printf("%s SIG%s\n", names[i], sigabbrev_np(WTERMSIG(status)));
  }
  return 0;
}
