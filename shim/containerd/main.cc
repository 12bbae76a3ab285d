// containerd-shim-gabion-v2: gabion as a shim of containerd's, io.containerd.gabion.v2.
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "container/spawn.h"
#include "shim/containerd/bootstrap.h"
#include "shim/containerd/events.h"
#include "shim/containerd/flags.h"
#include "shim/containerd/loop/loop.h"
#include "shim/containerd/service.h"
#include "shim/containerd/ttrpc/server.h"

namespace gabion::shim {

namespace {

constexpr size_t kInputLimit = size_t{1} << 20;

std::string event_address() {
  const char* text = std::getenv("TTRPC_ADDRESS");
  std::string address = text == nullptr ? "" : text;
  constexpr std::string_view kScheme = "unix://";
  if (address.starts_with(kScheme)) address.erase(0, kScheme.size());
  return address;
}

Result<Fd> children_signals() {
  (void)::signal(SIGPIPE, SIG_IGN);
  // A pod's shim ends with its pod: containerd's service manager may mean the whole group.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) (void)::signal(signal, SIG_IGN);
  sigset_t set;
  (void)::sigemptyset(&set);
  (void)::sigaddset(&set, SIGCHLD);
  (void)::sigprocmask(SIG_SETMASK, &set, nullptr);
  Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.valid()) return sys_error("signalfd");
  return signals;
}

void reap(int signals, Service& service) {
  signalfd_siginfo info{};
  while (::read(signals, &info, sizeof(info)) > 0) {
  }
  int status = 0;
  for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0; pid = ::waitpid(-1, &status, WNOHANG)) {
    service.ended(pid, status);
  }
}

Status serve(const Flags& flags) {
  TRY(container::close_all_but(0, {kListening}));
  // execveat(2) leaves the descriptor's number as the name; the kernel keeps 15 bytes, "containerd-shim".
  (void)::prctl(PR_SET_NAME, "containerd-shim-gabion-v2");
  (void)::prctl(PR_SET_DUMPABLE, 0);
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return sys_error("PR_SET_CHILD_SUBREAPER");
  if (::fcntl(kListening, F_SETFD, FD_CLOEXEC) != 0 || ::fcntl(kListening, F_SETFL, O_NONBLOCK) != 0) {
    return sys_error("descriptor 3: the listening socket");
  }
  if (::chdir("/") != 0) return sys_error("chdir /");
  const Fd signals = TRY(children_signals());
  const std::unique_ptr<Loop> loop = TRY(Loop::open());
  Events events(*loop, event_address(), flags.name_space);
  Service service(*loop, TRY(node_of(flags.name_space)), events);
  ttrpc::Server server(*loop, Fd(kListening),
                       [&service](const ttrpc::Request& request, const ttrpc::Peer& peer,
                                  const ttrpc::Respond& respond) { service.handle(request, peer, respond); });
  TRY(server.start());
  TRY(loop->watch(signals.get(), EPOLLIN, [&](uint32_t) { reap(signals.get(), service); }));
  Status ended = loop->run([&service] { return service.finished(); });
  (void)::unlink(flags.socket.c_str());
  return ended;
}

Status run(const Flags& flags) {
  if (flags.help) {
    return write_all(
        STDOUT_FILENO,
        "usage: containerd-shim-gabion-v2 -v | -info\n"
        "       containerd-shim-gabion-v2 -namespace NAME -address PATH -id ID [-bundle PATH] [-debug] "
        "start | delete\n"
        "containerd calls it for runtime type io.containerd.gabion.v2; containerd-shim-gabion-v2(8)\n");
  }
  if (flags.version) {
    return write_all(STDOUT_FILENO,
                     concat({"containerd-shim-gabion-v2:\n  Version: ", GABION_VERSION, "\n"}));
  }
  if (flags.info) return write_all(STDOUT_FILENO, info());
  if (flags.action == "start") {
    const std::string input = TRY(read_fd(STDIN_FILENO, kInputLimit, "standard input"));
    const std::string output = TRY(start(flags, input));
    return write_all(STDOUT_FILENO, output);
  }
  if (flags.action == "delete") {
    const std::string output = TRY(clear(flags));
    return write_all(STDOUT_FILENO, output);
  }
  return serve(flags);
}

}  // namespace

}  // namespace gabion::shim

int main(int argc, char** argv) {
  using namespace gabion;
  const Result<shim::Flags> flags =
      shim::parse_flags(std::span<char* const>(argv + 1, static_cast<size_t>(argc > 0 ? argc - 1 : 0)));
  const Status done = flags.ok() ? shim::run(*flags) : Status(Error(flags.error()));
  if (done.ok()) return 0;
  (void)write_all(STDERR_FILENO, concat({"containerd-shim-gabion-v2: ", done.error().message(), "\n"}));
  return 1;
}
