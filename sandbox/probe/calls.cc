#include "probe/calls.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>

#include "base/fd.h"

namespace gabion::probe {
namespace {

// No filter and no call says it: "Structure needs cleaning".
constexpr int kOurs = EUCLEAN;
constexpr int kNoListener = -1;

// What the child, which may make no call once the filter is on, and this process share.
struct Shared {
  std::atomic<int> listener;  // 0: not yet; negative: -errno
  std::atomic<size_t> at;     // the call being tried; the number of calls at the end
  Answer answers[];           // NOLINT: as long as the mapping
};

// Never through libc: its wrappers make calls of their own, and set errno.
long make_call(const Call& call) {
  const auto& a = call.arguments;
#if defined(__x86_64__)
  if (call.compat) {
    long result = static_cast<long>(call.number);
    // NOLINTNEXTLINE(hicpp-no-assembler): there is no other way in
    asm volatile("int $0x80"
                 : "+a"(result)
                 : "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
                 : "memory", "r8", "r9", "r10", "r11");
    return static_cast<int>(result);
  }
  long result = static_cast<long>(call.number);
  register uint64_t r10 asm("r10") = a[3];  // NOLINT(hicpp-no-assembler)
  register uint64_t r8 asm("r8") = a[4];    // NOLINT(hicpp-no-assembler)
  register uint64_t r9 asm("r9") = a[5];    // NOLINT(hicpp-no-assembler)
  // NOLINTNEXTLINE(hicpp-no-assembler)
  asm volatile("syscall"
               : "+a"(result)
               : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
               : "memory", "rcx", "r11");
  return result;
#else
  const long result = ::syscall(call.number, a[0], a[1], a[2], a[3], a[4], a[5]);
  return result < 0 ? -errno : result;
#endif
}

[[noreturn]] void try_from(Shared& shared, const std::vector<Call>& calls) {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sock_filter everything{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF};
  sock_fprog program{1, &everything};
  long listener = kNoListener;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) {
    listener = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  }
  if (listener < 0) {
    shared.listener = -errno;
    ::_exit(1);
  }
  shared.listener = static_cast<int>(listener);
  for (size_t i = shared.at; i < calls.size(); shared.at = ++i) {
    const long result = make_call(calls[i]);
    Answer& answer = shared.answers[i];
    answer.kind = result == -kOurs ? Answer::Kind::kReached : Answer::Kind::kRefused;
    answer.error = result < 0 ? static_cast<int>(-result) : 0;
  }
  // To end would be a call. The other side kills it.
  while (true) __builtin_ia32_pause();
}

void answer_one(int listener) {
  seccomp_notif asked{};
  seccomp_notif_resp response{};
  if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) return;
  response.id = asked.id;
  response.error = -kOurs;
  (void)::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

// Until the child has tried all, or a filter has killed it. What it died of, or 0.
int serve(pid_t child, Shared& shared, size_t count) {
  Fd listener;
  int status = 0;
  while (true) {
    if (!listener.valid() && shared.listener > 0) listener = Fd(shared.listener);
    if (listener.valid()) {
      pollfd item{.fd = listener.get(), .events = POLLIN, .revents = 0};
      if (::poll(&item, 1, 1) > 0 && (item.revents & POLLIN) != 0) {
        answer_one(listener.get());
        continue;
      }
    } else {
      (void)::usleep(100);
    }
    if (shared.at >= count) (void)::kill(child, SIGKILL);  // our own unreaped child
    if (::waitpid(child, &status, WNOHANG) == child) {
      // One that died before it was seen to listen leaves its listener here, CLONE_FILES being what it is.
      if (!listener.valid() && shared.listener > 0) listener = Fd(shared.listener);
      return shared.at >= count || !WIFSIGNALED(status) ? 0 : WTERMSIG(status);
    }
  }
}

}  // namespace

Result<std::vector<Answer>> try_calls(const std::vector<Call>& calls) {
  const size_t bytes = sizeof(Shared) + calls.size() * sizeof(Answer);
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return sys_error("memory for the probe");
  auto& shared = *static_cast<Shared*>(memory);
  Status failed = ok_status();
  while (shared.at < calls.size()) {
    shared.listener = 0;
    // CLONE_FILES: the listener's descriptor is then this process's too, without a message that the filter
    // would stop.
    const long child = ::syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) try_from(shared, calls);
    if (child < 0) {
      failed = sys_error("clone");
      break;
    }
    const int signal = serve(static_cast<pid_t>(child), shared, calls.size());
    if (shared.listener < 0) {
      failed = sys_error("a filter with a listener", -shared.listener);
      break;
    }
    if (shared.at >= calls.size()) break;
    Answer& answer = shared.answers[shared.at];
    answer.kind = signal == SIGSEGV ? Answer::Kind::kNoSuchConvention : Answer::Kind::kKilled;
    ++shared.at;
  }
  std::vector<Answer> answers(shared.answers, shared.answers + calls.size());
  (void)::munmap(memory, bytes);
  if (!failed.ok()) return std::move(failed).error();
  return answers;
}

}  // namespace gabion::probe
