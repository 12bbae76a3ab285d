// What filters cost: compile and load, ours beside libseccomp's list and tree, for the filters of
// tests/unit/oci/specs. Prints medians in microseconds. Loading happens in forked children.
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "base/path.h"
#include "kernel/seccomp.h"
#include "kernel/seccomp_cache.h"
#include "tests/unit/kernel/seccomp_reference.h"

namespace {

using gabion::kernel::seccomp::Filter;
using gabion::kernel::seccomp::Program;
namespace seccomp = gabion::kernel::seccomp;

double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

template <typename Work>
double measure(int rounds, Work work) {
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) {
    const double start = now();
    work();
    times.push_back(now() - start);
  }
  return median(std::move(times));
}

double load_time(const Program& program, int rounds) {
  auto* shared =
      static_cast<double*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (shared == MAP_FAILED) return 0;
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      const double start = now();
      const bool loaded = seccomp::load(program, 0).ok();
      *shared = loaded ? now() - start : 0;
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    times.push_back(*shared);
  }
  munmap(shared, 4096);
  return median(std::move(times));
}

void report(const char* what, size_t instructions, double compile, double load) {
  printf("  %-18s %5zu instructions  compile %9.1f us  load %8.1f us\n", what, instructions, compile, load);
}

// The same filter from the cache, which the first call fills.
double cache_hit(const Filter& filter) {
  char directory[] = "/tmp/gabion-seccomp-bench-XXXXXX";
  if (mkdtemp(directory) == nullptr || !seccomp::compile_cached(filter, nullptr, directory).ok()) return 0;
  const double time = measure(200, [&] { (void)seccomp::compile_cached(filter, nullptr, directory); });
  (void)gabion::remove_tree(directory);
  return time;
}

}  // namespace

int main() {
  for (const std::string& path : seccomp::test::spec_paths()) {
    const Filter filter = seccomp::test::filter_of_spec(path, true);
    const gabion::Result<Program> ours = seccomp::compile(filter);
    if (!ours) return 1;
    printf("%s\n", path.substr(path.rfind('/') + 1).c_str());
    report("gabion", ours->size(), measure(200, [&] { (void)seccomp::compile(filter); }),
           load_time(*ours, 41));
    for (const int optimize : {1, 2}) {
      const std::optional<Program> theirs = seccomp::test::libseccomp_program(filter, optimize);
      if (!theirs) continue;
      report(optimize == 1 ? "libseccomp, list" : "libseccomp, tree", theirs->size(),
             measure(7, [&] { (void)seccomp::test::libseccomp_program(filter, optimize); }),
             load_time(*theirs, 41));
    }
    printf("  the cache's hit takes %.1f us\n", cache_hit(filter));
  }
  for (const char* name : {"default", "maximum"}) {
    if (const Program* program = seccomp::builtin_profile(name)) {
      printf("built-in profile %s\n", name);
      report("gabion", program->size(), 0, load_time(*program, 41));
    }
  }
  return 0;
}
