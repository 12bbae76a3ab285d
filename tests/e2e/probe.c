// What a container can do, said in numbers: busybox has no word for most of it.
//   probe fds             open descriptors and what they are
//   probe try NAME...     one line each: "NAME ok" or "NAME errno-name"
//   probe limits          getrlimit(2) of core, nofile and nproc
//   probe clock           CLOCK_BOOTTIME and CLOCK_MONOTONIC in seconds
//   probe sleep-term      ends with 42 on SIGTERM; prints "ready" first
//   probe fork N          forks N sleeping children, prints how many succeeded
//   probe eat MIB         touches that much memory
//   probe io-priority     class and level of ioprio_get(2)
//   probe signals         ignored and blocked signals of the process at its start
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../support/attempts.h"

static long memfd_exec(void) {
  int fd = memfd_create("x", 0);
  if (fd < 0) return -1;
  int from = open("/bin/busybox", O_RDONLY);
  char buffer[65536];
  ssize_t size;
  while ((size = read(from, buffer, sizeof(buffer))) > 0) {
    if (write(fd, buffer, size) != size) return -1;
  }
  if (fchmod(fd, 0755) != 0) return -1;
  pid_t pid = fork();
  if (pid == 0) {
    char* args[] = {"true", NULL};
    char* env[] = {NULL};
    syscall(SYS_execveat, fd, "", args, env, AT_EMPTY_PATH);
    _exit(errno);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  errno = WEXITSTATUS(status);
  return errno == 0 ? 0 : -1;
}

// A program mapped from a writable file system.
static long map_exec(const char* path) {
  int fd = open(path, O_RDWR | O_CREAT, 0755);
  if (fd < 0 || ftruncate(fd, 4096) != 0) return -1;
  return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0;
}

static long attempt(const char* name) {
  if (!strcmp(name, "unshare-pid")) return unshare(CLONE_NEWPID);
  if (!strcmp(name, "unshare-uts")) return unshare(CLONE_NEWUTS);
  if (!strcmp(name, "unshare-cgroup")) return unshare(CLONE_NEWCGROUP);
  if (!strcmp(name, "clone-user")) {
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    return pid;
  }
  if (!strcmp(name, "mount-tmpfs")) return mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
  if (!strcmp(name, "mount-proc")) return mount("proc", "/tmp", "proc", 0, NULL);
  if (!strcmp(name, "mount-bind")) return mount("/etc", "/tmp", NULL, MS_BIND, NULL);
  if (!strcmp(name, "remount-rw")) return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL);
  if (!strcmp(name, "umount-mask")) return umount2("/proc/sys", MNT_DETACH);
  if (!strcmp(name, "pivot-root")) return syscall(SYS_pivot_root, ".", ".");
  if (!strcmp(name, "open-tree")) return syscall(SYS_open_tree, AT_FDCWD, "/", 1);
  if (!strcmp(name, "mount-setattr")) {
    struct { uint64_t set, clear, propagation, user; } attributes = {0, 1, 0, 0};
    return syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attributes, sizeof(attributes));
  }
  if (!strcmp(name, "sethostname")) return sethostname("other", 5);
  if (!strcmp(name, "setdomainname")) return setdomainname("other", 5);
  if (!strcmp(name, "mknod")) return mknod("/tmp/disk", S_IFBLK | 0600, makedev(254, 0));
  if (!strcmp(name, "mknod-char")) return mknod("/dev/mem2", S_IFCHR | 0600, makedev(1, 1));
  if (!strcmp(name, "ptrace-init")) return ptrace(PTRACE_ATTACH, 1, 0, 0);
  if (!strcmp(name, "perf")) return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
  if (!strcmp(name, "keyctl")) return syscall(SYS_keyctl, 0, -3, 0);
  if (!strcmp(name, "add-key")) return syscall(SYS_add_key, "user", "x", "y", 1, -3);
  if (!strcmp(name, "userfaultfd")) return syscall(SYS_userfaultfd, 0);
  if (!strcmp(name, "init-module")) return syscall(SYS_init_module, NULL, 0, "");
  if (!strcmp(name, "kexec")) return syscall(SYS_kexec_load, 0, 0, NULL, 0);
  if (!strcmp(name, "open-by-handle")) return syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0);
  if (!strcmp(name, "reboot")) return syscall(SYS_reboot, 0xfee1dead, 672274793, 0x89abcdef, NULL);
  if (!strcmp(name, "settime")) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return clock_settime(CLOCK_REALTIME, &now);
  }
  if (!strcmp(name, "tiocsti")) return ioctl(0, TIOCSTI, "x");
  if (!strcmp(name, "swapon")) return swapon("/etc/plain", 0);
  if (!strcmp(name, "syslog")) return syscall(SYS_syslog, 10, NULL, 0);
  if (!strcmp(name, "chroot")) return chroot("/tmp");
  if (!strcmp(name, "personality")) return syscall(SYS_personality, 0x0008);
  if (!strcmp(name, "socket-raw")) return socket(AF_INET, SOCK_RAW, 1);
  if (!strcmp(name, "socket-audit")) return socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);
  if (!strcmp(name, "socket-netfilter")) return socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
  if (!strcmp(name, "socket-xfrm")) return socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM);
  if (!strcmp(name, "socket-inet")) return socket(AF_INET, SOCK_STREAM, 0);
  if (!strcmp(name, "socket-unix")) return socket(AF_UNIX, SOCK_STREAM, 0);
  if (!strcmp(name, "socket-route")) return socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  if (!strcmp(name, "memfd-exec")) return memfd_exec();
  if (!strcmp(name, "map-exec-tmp")) return map_exec("/tmp/mapped");
  if (!strcmp(name, "map-exec-shm")) return map_exec("/dev/shm/mapped");
  if (!strcmp(name, "map-writable-exec")) {
    int access = PROT_READ | PROT_WRITE | PROT_EXEC;
    return mmap(NULL, 4096, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
  }
  if (!strcmp(name, "write-then-exec")) {
    char* memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return -1;
    *memory = 1;
    return mprotect(memory, 4096, PROT_READ | PROT_EXEC);
  }
  if (!strcmp(name, "chown")) {
    int fd = open("/tmp/owned", O_RDWR | O_CREAT, 0600);
    return fd < 0 ? -1 : fchown(fd, 1234, 1234);
  }
  if (!strcmp(name, "setuid")) {
    pid_t pid = fork();
    if (pid == 0) _exit(setgid(1000) != 0 || setuid(1000) != 0 ? errno : 0);
    int status = 0;
    waitpid(pid, &status, 0);
    errno = WEXITSTATUS(status);
    return errno == 0 ? 0 : -1;
  }
  if (!strcmp(name, "bind-80")) {
    struct { sa_family_t family; uint16_t port; char rest[12]; } address = {AF_INET, 80 << 8, {0}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? -1 : bind(fd, (struct sockaddr*)&address, sizeof(address));
  }
  // i386 numbers through the 32-bit gate: 20 is getpid there, writev here.
  if (!strcmp(name, "int80")) {
    long answer;
    __asm__ volatile("int $0x80" : "=a"(answer) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
    if (answer < 0) errno = (int)-answer;
    return answer < 0 ? -1 : 0;
  }
  if (!strcmp(name, "x32")) return syscall(0x40000000 | SYS_getpid);
  return common_attempt(name);
}

static int list_descriptors(void) {
  DIR* directory = opendir("/proc/self/fd");
  struct dirent* entry;
  while ((entry = readdir(directory)) != NULL) {
    int fd = atoi(entry->d_name);
    if (entry->d_name[0] == '.' || fd == dirfd(directory)) continue;
    char target[4096];
    ssize_t size = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
    target[size > 0 ? size : 0] = 0;
    printf("%d %s\n", fd, target);
  }
  return 0;
}

static void on_term(int number) {
  (void)number;
  _exit(42);
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!strcmp(argv[1], "fds")) return list_descriptors();
  if (!strcmp(argv[1], "try")) return try_all(argc - 2, argv + 2, attempt);
  if (!strcmp(argv[1], "limits")) {
    static const struct { const char* name; int number; } kLimits[] = {
        {"core", RLIMIT_CORE}, {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}};
    for (size_t i = 0; i < sizeof(kLimits) / sizeof(kLimits[0]); ++i) {
      struct rlimit limit;
      getrlimit(kLimits[i].number, &limit);
      printf("%s %lld %lld\n", kLimits[i].name, (long long)limit.rlim_cur, (long long)limit.rlim_max);
    }
    return 0;
  }
  if (!strcmp(argv[1], "clock")) {
    struct timespec boot, monotonic;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    printf("%lld %lld\n", (long long)boot.tv_sec, (long long)monotonic.tv_sec);
    return 0;
  }
  if (!strcmp(argv[1], "sleep-term")) {
    signal(SIGTERM, on_term);
    puts("ready");
    while (1) pause();
  }
  if (!strcmp(argv[1], "fork") && argc > 2) {
    int made = 0;
    for (int i = 0; i < atoi(argv[2]); ++i) {
      pid_t pid = fork();
      if (pid == 0) {
        sleep(100);
        _exit(0);
      }
      if (pid > 0) ++made;
    }
    printf("%d\n", made);
    return 0;
  }
  if (!strcmp(argv[1], "eat") && argc > 2) {
    size_t size = (size_t)atoi(argv[2]) << 20;
    char* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 3;
    memset(memory, 1, size);
    puts("ate");
    return 0;
  }
  if (!strcmp(argv[1], "io-priority")) {
    long priority = syscall(SYS_ioprio_get, 1, 0);  // IOPRIO_WHO_PROCESS, oneself
    printf("%ld %ld\n", priority >> 13, priority & 7);
    return 0;
  }
  if (!strcmp(argv[1], "signals")) {
    FILE* file = fopen("/proc/self/status", "r");
    char line[256];
    while (fgets(line, sizeof(line), file) != NULL) {
      if (!strncmp(line, "SigBlk", 6) || !strncmp(line, "SigIgn", 6)) fputs(line, stdout);
    }
    return 0;
  }
  return 2;
}
