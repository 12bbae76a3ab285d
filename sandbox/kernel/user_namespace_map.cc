#include "kernel/user_namespace_map.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"

namespace gabion::kernel {

std::vector<IdMap> parse_id_map(std::string_view text) {
  std::vector<IdMap> maps;
  for (std::string_view line : split(text, '\n')) {
    std::vector<uint32_t> numbers;
    for (std::string_view word : split(line, ' ')) {
      const std::optional<uint64_t> number = parse_unsigned(word, UINT32_MAX);
      if (number) numbers.push_back(static_cast<uint32_t>(*number));
    }
    if (numbers.size() == 3) maps.push_back({numbers[0], numbers[1], numbers[2]});
  }
  return maps;
}

namespace {

Result<std::vector<IdMap>> read_map(pid_t pid, const char* name) {
  const std::string path = concat({"/proc/", std::to_string(pid), "/", name});
  const std::string text = TRY(read_file(path, size_t{1} << 16));
  return parse_id_map(text);
}

}  // namespace

Result<IdMaps> read_id_maps(int user_namespace) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sys_error("pipe");
  const Fd from(ends[0]);
  Fd to(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return sys_error("fork");
  if (pid == 0) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)::prctl(PR_SET_DUMPABLE,
                  0);  // whoever owns the namespace must not look into a copy of this process
    const int reason = ::setns(user_namespace, CLONE_NEWUSER) == 0 ? 0 : errno;
    if (::write(to.get(), &reason, sizeof(reason)) != sizeof(reason)) ::_exit(1);
    while (reason == 0) (void)::pause();
    ::_exit(0);
  }
  to.reset();
  IdMaps maps;
  const Status read_maps = [&]() -> Status {
    int reason = 0;
    ssize_t got = -1;
    do {
      got = ::read(from.get(), &reason, sizeof(reason));
    } while (got < 0 && errno == EINTR);
    if (got != sizeof(reason)) return make_error(Code::kInternal, "look into a user namespace: no answer");
    if (reason != 0) return sys_error("look into a user namespace", reason);
    maps.uids = TRY(read_map(pid, "uid_map"));
    maps.gids = TRY(read_map(pid, "gid_map"));
    return ok_status();
  }();
  (void)::kill(pid, SIGKILL);  // our own unreaped child: the pid cannot be another's
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!read_maps.ok()) return Error(read_maps.error());
  return maps;
}

}  // namespace gabion::kernel
