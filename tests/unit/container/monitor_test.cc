#include "container/monitor.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <cerrno>

#include "container/process.h"
#include "tests/unit/container/support.h"

namespace gabion::container {
namespace {

using testing::Forked;
using testing::sleep_for_ever;

TEST(Monitor, WithoutAStartTimeThereIsNoneToEnd) {
  Forked stranger(sleep_for_ever);
  end_monitor({stranger.pid(), 0});
  EXPECT_EQ(::waitpid(stranger.pid(), nullptr, WNOHANG), 0);
}

TEST(Monitor, EndsTheOneItIsAndNoOtherOfItsPid) {
  Forked process(sleep_for_ever);
  const Result<uint64_t> started = process_start_time(process.pid());
  ASSERT_TRUE(started.ok());
  end_monitor({process.pid(), *started + 1});
  EXPECT_EQ(::waitpid(process.pid(), nullptr, WNOHANG), 0);
}

// Where /proc does not tell it, as of a process that has ended.
TEST(Monitor, WhoseStartTimeIsUnknownIsNotStarted) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const testing::Scratch directory;
  Result<MonitorEnds> ends = monitor_ends(directory.path());
  ASSERT_TRUE(ends.ok()) << ends.error().message();
  Forked runtime([&] {
    audit::Log log = audit::Log::disabled();
    Host host;
    host.audit = &log;
    const State state;
    const auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
    if (::chroot(directory.path().c_str()) != 0 || pidfd < 0) return 1;
    if (start_monitor(host, state, std::move(ends->watcher), pidfd).ok()) return 2;
    return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD ? 0 : 3;
  });
  EXPECT_EQ(runtime.wait(), 0);
}

}  // namespace
}  // namespace gabion::container
