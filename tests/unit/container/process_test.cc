#include "container/process.h"

#include <sys/prctl.h>
#include <sys/syscall.h>

#include <thread>

#include "tests/unit/container/support.h"

namespace gabion::container {
namespace {

using testing::eventually;
using testing::Forked;
using testing::nap;
using testing::sleep_for_ever;

TEST(Process, OpensSignalsAndWaits) {
  Forked child(sleep_for_ever);
  const Result<uint64_t> started = process_start_time(child.pid());
  ASSERT_TRUE(started.ok());
  const Result<Process> process = Process::open(child.pid(), *started);
  ASSERT_TRUE(process.ok());
  EXPECT_FALSE(*process->wait_exit(0));
  EXPECT_FALSE(*process->wait_exit(20));
  ASSERT_TRUE(process->signal(SIGTERM).ok());
  EXPECT_TRUE(*process->wait_exit(5000));
  EXPECT_EQ(child.wait(), 128 + SIGTERM);
}

TEST(Process, AnotherStartTimeIsAnotherProcess) {
  Forked child(sleep_for_ever);
  const Result<uint64_t> started = process_start_time(child.pid());
  ASSERT_TRUE(started.ok());
  EXPECT_EQ(Process::open(child.pid(), *started + 1).error().code, Code::kNotFound);
  EXPECT_TRUE(Process::open(child.pid(), 0).ok());
}

TEST(Process, ZombieIsGone) {
  Forked child([] { return 0; });
  ASSERT_TRUE(eventually([&] { return !process_start_time(child.pid()).ok(); }));
  EXPECT_EQ(process_start_time(child.pid()).error().code, Code::kNotFound);
  EXPECT_EQ(Process::open(child.pid(), 0).error().code, Code::kNotFound);
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(Process::open(0, 0).error().code, Code::kNotFound);
}

TEST(Process, SignalAfterExitSaysWhatEnginesMatch) {
  Forked child(sleep_for_ever);
  const Result<Process> process = Process::open(child.pid(), 0);
  ASSERT_TRUE(process.ok());
  ASSERT_TRUE(process->signal(SIGKILL).ok());
  child.wait();
  const Status late = process->signal(SIGTERM);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, Code::kNotFound);
  EXPECT_NE(late.error().message().find("process already finished"), std::string::npos);
}

TEST(Process, NameWithParenthesesDoesNotConfuse) {
  Forked child([] {
    (void)::prctl(PR_SET_NAME, ") Z 1 (x) ");
    return sleep_for_ever();
  });
  const Result<uint64_t> before = process_start_time(child.pid());
  nap(50);
  const Result<uint64_t> after = process_start_time(child.pid());
  ASSERT_TRUE(before.ok());
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(*before, *after);
}

TEST(Process, LeaderThatEndedBeforeItsThreadsStillRuns) {
  Forked child([] {
    std::thread([] { sleep_for_ever(); }).detach();
    (void)::syscall(SYS_exit, 0);  // the leader alone; pthread_exit(3) would unwind
    return 0;
  });
  const std::string path = "/proc/" + std::to_string(child.pid()) + "/stat";
  ASSERT_TRUE(eventually([&] {
    const Result<std::string> text = read_file(path, 4096);
    return text.ok() && text->find(") Z ") != std::string::npos;
  }));
  EXPECT_TRUE(process_start_time(child.pid()).ok());
}

}  // namespace
}  // namespace gabion::container
