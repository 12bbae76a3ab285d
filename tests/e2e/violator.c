// What a container's process does to the monitor that listens to it.
//   violator listener WORD...   takes the dangerous calls for a listener of its own, which lets them all go on;
//                               prints "listener ok" or "listener errno-name", then runs the words
//   violator flood N SECONDS    N processes that call ptrace(2); prints "flood" and the errno that was none of
//                               EPERM, or "flood EPERM"
//   violator each N             every dangerous call N times
//   violator groups             a call as a member of 40,000 groups, whose /proc/PID/status is long
//   violator killed N STEP      N times a call whose caller is killed, the Nth after N * STEP turns of a loop
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int kCalls[] = {
    SYS_kcmp, SYS_process_vm_readv, SYS_process_vm_writev, SYS_ptrace, SYS_pidfd_getfd, SYS_process_madvise,
    SYS_io_uring_enter, SYS_io_uring_register, SYS_io_uring_setup, SYS_bpf, SYS_perf_event_open,
    SYS_userfaultfd, SYS_add_key, SYS_keyctl, SYS_request_key, SYS_fsconfig, SYS_fsmount, SYS_fsopen,
    SYS_fspick, SYS_mount, SYS_mount_setattr, SYS_move_mount, SYS_open_tree, SYS_pivot_root, SYS_umount2,
    SYS_setns, SYS_open_by_handle_at, SYS_delete_module, SYS_finit_module, SYS_init_module,
    SYS_kexec_file_load, SYS_kexec_load, SYS_reboot, SYS_swapoff, SYS_swapon, SYS_acct};
enum { kCallCount = sizeof(kCalls) / sizeof(kCalls[0]) };

// The newest of the filters that say SECCOMP_RET_USER_NOTIF is the one that is asked (seccomp(2)).
static int own_listener(void) {
  struct sock_filter code[kCallCount + 3];
  code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
  for (int i = 0; i < kCallCount; ++i) {
    code[1 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kCalls[i], kCallCount - i, 0);
  }
  code[1 + kCallCount] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  code[2 + kCallCount] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  struct sock_fprog program = {kCallCount + 3, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static int let_all_go_on(int listener, char** words) {
  pid_t pid = fork();
  if (pid == 0) {
    execvp(words[0], words);
    _exit(127);
  }
  if (listener < 0) return waitpid(pid, NULL, 0) == pid ? 0 : 1;
  pid_t server = fork();
  while (server == 0) {
    struct seccomp_notif call;
    memset(&call, 0, sizeof(call));
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;
    struct seccomp_notif_resp answer = {call.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
  waitpid(pid, NULL, 0);
  kill(server, SIGKILL);
  return 0;
}

static int flood(int processes, int seconds) {
  for (int i = 0; i < processes; ++i) {
    if (fork() != 0) continue;
    for (time_t end = time(NULL) + seconds; time(NULL) < end;) {
      if (syscall(SYS_ptrace, PTRACE_PEEKDATA, 0, 0, 0) == 0) _exit(255);
      if (errno != EPERM) _exit(errno);
    }
    _exit(0);
  }
  int other = 0;
  for (int status = 0; wait(&status) > 0;) {
    if (WEXITSTATUS(status) != 0) other = WEXITSTATUS(status);
  }
  printf("flood %s\n", strerrorname_np(other == 0 ? EPERM : other));
  return 0;
}

static int as_a_member_of_many_groups(void) {
  static gid_t groups[40000];
  for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); ++i) groups[i] = (gid_t)i;
  if (setgroups(sizeof(groups) / sizeof(groups[0]), groups) != 0) return 1;
  printf("keyctl %s\n", syscall(SYS_keyctl, 0, -3, 0) < 0 ? strerrorname_np(errno) : "ok");
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!strcmp(argv[1], "listener") && argc > 2) {
    int listener = own_listener();
    printf("listener %s\n", listener < 0 ? strerrorname_np(errno) : "ok");
    return let_all_go_on(listener, argv + 2);
  }
  if (!strcmp(argv[1], "flood") && argc > 3) return flood(atoi(argv[2]), atoi(argv[3]));
  if (!strcmp(argv[1], "each") && argc > 2) {
    for (int i = 0; i < atoi(argv[2]); ++i) {
      for (int call = 0; call < kCallCount; ++call) syscall(kCalls[call], 0, 0, 0, 0, 0, 0);
    }
    return 0;
  }
  if (!strcmp(argv[1], "groups")) return as_a_member_of_many_groups();
  if (!strcmp(argv[1], "killed") && argc > 3) {
    long step = atol(argv[3]);
    for (int i = 0; i < atoi(argv[2]); ++i) {
      pid_t pid = fork();
      if (pid == 0) {
        syscall(SYS_ptrace, PTRACE_PEEKDATA, 0, 0, 0);
        _exit(0);
      }
      for (volatile long wait = 0; wait < step * i; ++wait) continue;
      kill(pid, SIGKILL);
      waitpid(pid, NULL, 0);
    }
    return 0;
  }
  return 2;
}
