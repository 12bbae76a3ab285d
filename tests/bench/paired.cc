// Times commands side by side: each round runs every command once, in a rotating order, so that
// whatever else the machine does falls on all of them alike. Prints one line per command with every
// time in microseconds, in the order of the rounds.
//
//   paired ROUNDS WARMUP command... -- command... [-- command...]
//
// posix_spawn(3) is vfork-cheap: the spawning side costs tens of microseconds whatever this
// program's size. "{}" in an argument becomes the number of the run. A command that fails ends the
// measurement: a fast failure is no result.
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

extern char** environ;

namespace {

using Command = std::vector<std::string>;

// The kernel takes a network namespace and cgroups apart after their container has ended, for some
// milliseconds on every core: that must not be billed to whoever comes next.
constexpr useconds_t kPauseUs = 50'000;

double now_us() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

[[noreturn]] void fail(const Command& command, const char* what, int status) {
  std::fprintf(stderr, "paired: %s: %s (%d)\n", command.front().c_str(), what, status);
  std::exit(1);
}

void enter(const char* mount_namespace, const Command& command) {
  const int fd = ::open(mount_namespace, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || ::setns(fd, CLONE_NEWNS) != 0) fail(command, "cannot enter a mount namespace", errno);
  ::close(fd);
}

double run_once(const Command& command, int run) {
  Command words = command;
  std::string elsewhere;
  if (words.front().starts_with('@')) {
    elsewhere = words.front().substr(1);
    words.erase(words.begin());
  }
  for (std::string& word : words) {
    const size_t place = word.find("{}");
    if (place != std::string::npos) word.replace(place, 2, std::to_string(run));
  }
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const int home = ::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (!elsewhere.empty()) enter(elsewhere.c_str(), command);
  (void)::usleep(kPauseUs);
  const double before = now_us();
  pid_t child = 0;
  const int error = ::posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  if (error != 0) fail(command, std::strerror(error), error);
  int status = 0;
  if (::waitpid(child, &status, 0) != child) fail(command, "waitpid", errno);
  const double after = now_us();
  if (!elsewhere.empty() && ::setns(home, CLONE_NEWNS) != 0) fail(command, "setns", errno);
  ::close(home);
  ::posix_spawn_file_actions_destroy(&actions);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail(command, "failed with wait status", status);
  // Orphans of the command (a detached log or reaper) come to us: they are not part of its time.
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  return after - before;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: paired ROUNDS WARMUP command... [-- command...]...\n");
    return 2;
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const int rounds = std::atoi(argv[1]);
  const int warmup = std::atoi(argv[2]);
  std::vector<Command> commands(1);
  for (int i = 3; i < argc; ++i) {
    if (std::strcmp(argv[i], "--") == 0) {
      commands.emplace_back();
    } else {
      commands.back().emplace_back(argv[i]);
    }
  }
  if (std::any_of(commands.begin(), commands.end(), [](const Command& c) { return c.empty(); })) return 2;
  std::vector<std::vector<double>> times(commands.size());
  int run = 0;
  for (int round = -warmup; round < rounds; ++round) {
    for (size_t i = 0; i < commands.size(); ++i) {
      const size_t which = (i + static_cast<size_t>(round + warmup)) % commands.size();
      const double took = run_once(commands[which], ++run);
      if (round >= 0) times[which].push_back(took);
    }
  }
  for (const std::vector<double>& series : times) {
    for (const double time : series) std::printf("%.1f ", time);
    std::printf("\n");
  }
  return 0;
}
