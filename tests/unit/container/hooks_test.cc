#include "container/hooks.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include "base/text.h"
#include "tests/unit/container/support.h"

namespace gabion::container {
namespace {

using testing::eventually;
using testing::Scratch;

oci::Hook shell(const std::string& script) {
  return {.path = "/bin/sh", .args = {"sh", "-c", script}, .env = {}, .timeout = {}};
}

class Hooks : public ::testing::Test {
 protected:
  Status run(const std::vector<oci::Hook>& hooks, std::string_view state = "{}") {
    return run_hooks(hooks, "prestart", state, dir_.path());
  }
  std::string text(std::string_view name) {
    Result<std::string> got = read_file(dir_ / name, size_t{1} << 20);
    return got.ok() ? *got : "(absent)";
  }
  Scratch dir_;
};

TEST_F(Hooks, GetsTheStateOnStdinEachTimeFromTheStart) {
  const std::string state(200'000, 's');  // more than a pipe holds
  ASSERT_TRUE(run({shell("cat > one"), shell("cat > two")}, state).ok());
  EXPECT_EQ(text("one"), state);
  EXPECT_EQ(text("two"), state);
}

TEST_F(Hooks, StdinCannotBeChangedForTheNextHook) {
  ASSERT_TRUE(
      run({shell("echo evil >&0; echo evil > /proc/self/fd/0; true"), shell("cat > two")}, "{}").ok());
  EXPECT_EQ(text("two"), "{}");
}

TEST_F(Hooks, AHookThatIgnoresStdinIsFine) {
  EXPECT_TRUE(run({shell("exec <&-; exit 0")}, std::string(1 << 20, 'x')).ok());
}

TEST_F(Hooks, HasItsOwnEnvironmentOnly) {
  ASSERT_EQ(::setenv("GABION_LEAK", "1", 1), 0);
  oci::Hook bare{.path = "/usr/bin/env", .args = {"env"}, .env = {}, .timeout = {}};
  oci::Hook with = bare;
  with.env = {"A=1", "B=2"};
  // env's output is only visible in a failure's text.
  with.args = {"env", "sh", "-c", "env | grep -v -e PWD -e SHLVL -e _= | sort; exit 1"};
  with.env.push_back("PATH=/usr/bin:/bin");
  const Status failed = run({bare, with});
  ::unsetenv("GABION_LEAK");
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message(),
            "error running prestart hook #1: exit status 1, stdout: A=1 B=2 PATH=/usr/bin:/bin, stderr: ");
}

TEST_F(Hooks, RunsInTheDirectoryGivenWithoutInheritedDescriptors) {
  const int leak = ::open("/etc/passwd", O_RDONLY);  // not close-on-exec
  ASSERT_GE(leak, 3);
  const Status done = run({shell("pwd > where; ls /proc/self/fd > fds")});
  (void)::close(leak);
  ASSERT_TRUE(done.ok()) << done.error().message();
  EXPECT_EQ(text("where"), dir_.path() + "\n");
  EXPECT_EQ(text("fds"), "0\n1\n2\n3\n");  // 3 is the directory ls reads
}

TEST_F(Hooks, SignalsAreAsFresh) {
  (void)::signal(SIGPIPE, SIG_IGN);
  // glibc's own two, which signal(2) cannot reach.
  const unsigned long ignore[4] = {1};
  const unsigned long by_default[4] = {};
  (void)::syscall(SYS_rt_sigaction, 33, ignore, nullptr, 8);
  sigset_t block;
  sigset_t before;
  (void)::sigfillset(&block);
  (void)::sigprocmask(SIG_BLOCK, &block, &before);
  const Status done = run({shell("grep -e SigBlk -e SigIgn /proc/self/status > signals")});
  (void)::sigprocmask(SIG_SETMASK, &before, nullptr);
  (void)::signal(SIGPIPE, SIG_DFL);
  (void)::syscall(SYS_rt_sigaction, 33, by_default, nullptr, 8);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(text("signals"), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(Hooks, FailuresSpeakAsRunc) {
  const Status exited = run({shell("true"), shell("echo out; echo err >&2; exit 3"), shell("touch third")});
  ASSERT_FALSE(exited.ok());
  EXPECT_EQ(exited.error().message(),
            "error running prestart hook #1: exit status 3, stdout: out, stderr: err");
  EXPECT_EQ(text("third"), "(absent)");

  EXPECT_EQ(run({shell("kill -9 $$")}).error().message(),
            "error running prestart hook #0: signal: killed, stdout: , stderr: ");

  const oci::Hook absent{.path = "/nonexistent/hook", .args = {}, .env = {}, .timeout = {}};
  EXPECT_EQ(run({absent}).error().message(),
            "error running prestart hook #0: fork/exec /nonexistent/hook: no such file or directory");
  const oci::Hook not_executable{.path = "/etc/passwd", .args = {}, .env = {}, .timeout = {}};
  EXPECT_EQ(run({not_executable}).error().message(),
            "error running prestart hook #0: fork/exec /etc/passwd: permission denied");
  EXPECT_EQ(run({absent}).error().code, Code::kSystem);
}

TEST_F(Hooks, OutputCannotForgeALogLine) {
  const Status failed = run({shell("printf 'a\\nlevel=error\\033[2J'; exit 1")});
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message(),
            "error running prestart hook #0: exit status 1, stdout: a level=error [2J, stderr: ");
}

TEST_F(Hooks, TimeoutKillsTheWholeGroup) {
  oci::Hook slow = shell("sleep 600 & echo $! > child; sleep 600");
  slow.timeout = 1;
  const Status late = run({slow});
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().message(),
            "error running prestart hook #0: hook ran past specified timeout of 1.0s");
  const std::string child(trim(text("child")));
  ASSERT_FALSE(child.empty());
  EXPECT_TRUE(eventually([&] {
    const Result<std::string> stat = read_file("/proc/" + child + "/stat", 4096);
    return !stat.ok() || stat->find(") Z ") != std::string::npos;
  }));
}

TEST_F(Hooks, EndlessOutputNeitherBlocksNorDefeatsTheTimeout) {
  oci::Hook loud =
      shell("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done");
  loud.timeout = 1;
  const Status late = run({loud});
  ASSERT_FALSE(late.ok());
  EXPECT_NE(late.error().message().find("timeout of 1.0s"), std::string::npos);
  const Status long_text = run({shell("head -c 1000000 /dev/zero | tr '\\0' x; exit 1")});
  ASSERT_FALSE(long_text.ok());
  EXPECT_LT(long_text.error().message().size(), 66'000U);
  EXPECT_GT(long_text.error().message().size(), 65'000U);
}

TEST_F(Hooks, ADaemonLeftBehindDoesNotHoldTheRuntime) {
  const Status done = run({shell("sleep 600 & echo $! > child")});
  ASSERT_TRUE(done.ok());
  const std::optional<uint64_t> child = parse_unsigned(trim(text("child")), INT32_MAX);
  ASSERT_TRUE(child);
  EXPECT_EQ(::kill(static_cast<pid_t>(*child), SIGKILL), 0);  // still there: it is the hook's business
}

TEST_F(Hooks, RunsTheBinaryThatWasOpened) {
  const std::string path = dir_ / "hook";
  ASSERT_EQ(::system(concat({"cp /bin/true ", path}).c_str()), 0);
  std::map<std::string, Fd> opened;
  opened.emplace(path, Fd(::open(path.c_str(), O_PATH | O_CLOEXEC)));
  // Swapped after it was judged.
  ASSERT_EQ(::unlink(path.c_str()), 0);
  dir_.write("hook", "#!/bin/sh\necho swapped; exit 7\n", 0755);
  const oci::Hook hook{.path = path, .args = {}, .env = {}, .timeout = {}};
  EXPECT_TRUE(run_hooks({hook}, "prestart", "{}", dir_.path(), &opened).ok());
  EXPECT_FALSE(run({hook}).ok());
}

TEST_F(Hooks, AScriptRunsThoughItIsOpened) {
  const std::string path = dir_.write("hook", "#!/bin/sh\necho \"$1\" > ran\n", 0755);
  std::map<std::string, Fd> opened;
  opened.emplace(path, Fd(::open(path.c_str(), O_PATH | O_CLOEXEC)));
  const oci::Hook hook{.path = path, .args = {"hook", "hello"}, .env = {}, .timeout = {}};
  const Status done = run_hooks({hook}, "prestart", "{}", dir_.path(), &opened);
  ASSERT_TRUE(done.ok()) << done.error().message();
  EXPECT_EQ(text("ran"), "hello\n");
}

// Docker's own hook is /proc/<dockerd>/exe.
TEST_F(Hooks, RunsThroughProcExe) {
  const pid_t sleeper = ::fork();
  if (sleeper == 0) {
    ::execl("/bin/busybox", "busybox", "sleep", "600", nullptr);
    ::_exit(1);
  }
  const std::string path = concat({"/proc/", std::to_string(sleeper), "/exe"});
  ASSERT_TRUE(eventually([&] {
    char target[64] = {};
    return ::readlink(path.c_str(), target, sizeof(target) - 1) > 0 &&
           std::string(target).ends_with("busybox");
  }));
  const oci::Hook hook{.path = path, .args = {"touch", "ran"}, .env = {}, .timeout = {}};
  const Status done = run({hook});
  EXPECT_TRUE(done.ok());
  EXPECT_EQ(text("ran"), "");
  (void)::kill(sleeper, SIGKILL);
  (void)::waitpid(sleeper, nullptr, 0);
}

TEST_F(Hooks, WorksWithStdioClosed) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (int fd = 0; fd < 3; ++fd) (void)::close(fd);
    const Status failed = run({shell("cat > in; echo out; echo err >&2; exit 4")}, "state");
    const bool right =
        !failed.ok() && failed.error().message().ends_with("exit status 4, stdout: out, stderr: err");
    ::_exit(right && text("in") == "state" ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(Hooks, DiesWithTheRuntime) {
  const pid_t runtime = ::fork();
  if (runtime == 0) {
    (void)run({shell("echo $$ > pid; exec sleep 600")});
    ::_exit(0);
  }
  ASSERT_TRUE(eventually([&] { return text("pid").ends_with("\n"); }));
  const std::optional<uint64_t> hook = parse_unsigned(trim(text("pid")), INT32_MAX);
  ASSERT_TRUE(hook);
  (void)::kill(runtime, SIGKILL);
  (void)::waitpid(runtime, nullptr, 0);
  EXPECT_TRUE(eventually([&] {
    const Result<std::string> stat = read_file("/proc/" + std::to_string(*hook) + "/stat", 4096);
    return !stat.ok() || stat->find(") Z ") != std::string::npos;
  }));
}

}  // namespace
}  // namespace gabion::container
