// Holds the lock of the pipe that is its standard output (or, with "input", its standard input), for as long as it
// lives: splice(2) from a socket where nothing comes waits with it held. The process that was asked for ends at once.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char** words) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 1;
  int pipe = 1;
  if (count > 1 && strcmp(words[1], "input") == 0) pipe = open("/proc/self/fd/0", O_WRONLY);
  if (pipe < 0) return 2;
  if (fork() == 0) {
    splice(pair[0], NULL, pipe, NULL, 4096, 0);
    pause();
  }
  usleep(200000);
  return 0;
}
