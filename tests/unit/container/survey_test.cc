#include "container/survey.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/path.h"
#include "base/text.h"
#include "container/survey_engine.h"
#include "kernel/mountinfo.h"
#include "tests/unit/container/support.h"

namespace gabion::container {
namespace {

using policy::SourceKind;
using testing::eventually;
using testing::Forked;
using testing::Scratch;
using testing::sleep_for_ever;

class SurveyTest : public ::testing::Test {
 protected:
  void bind(const std::string& source) {
    spec_.mounts.push_back({.destination = "/x",
                            .type = "bind",
                            .source = source,
                            .options = {},
                            .uid_mappings = {},
                            .gid_mappings = {}});
  }
  Result<Survey> look() { return survey(spec_, policy_, dir_.path(), "/run/gabion"); }

  Scratch dir_;
  oci::Spec spec_;
  policy::Policy policy_;
};

TEST_F(SurveyTest, RootThatWasJustMountedIsNotLookedUp) {
  spec_.root = oci::Root{.path = "/", .readonly = false};
  const Result<Survey> known = look();
  ASSERT_TRUE(known.ok()) << known.error().message();
  EXPECT_FALSE(known->facts.root.nested.empty());  // procfs, at least
  const Result<Fd> root = open_path("/", O_PATH);
  ASSERT_TRUE(root.ok());
  const Result<uint64_t> mount = kernel::mount_id(root->get());
  ASSERT_TRUE(mount.ok());
  const Result<Survey> fresh = survey(spec_, policy_, dir_.path(), "/run/gabion", *mount);
  ASSERT_TRUE(fresh.ok()) << fresh.error().message();
  EXPECT_TRUE(fresh->facts.root.nested.empty());
  EXPECT_TRUE(fresh->facts.root.aliases.empty());
  EXPECT_EQ(fresh->facts.root.resolved, "/");
}

TEST_F(SurveyTest, SourcesAreResolvedAndKept) {
  dir_.write("file", "x");
  ASSERT_EQ(::symlink("file", (dir_ / "link").c_str()), 0);
  ASSERT_EQ(::symlink("/proc/sys/kernel", (dir_ / "innocent").c_str()), 0);
  ASSERT_EQ(::mkfifo((dir_ / "fifo").c_str(), 0600), 0);
  const Fd listener(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string socket_path = dir_ / "docker.sock";
  (void)::strncpy(address.sun_path, socket_path.c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::symlink("docker.sock", (dir_ / "harmless").c_str()), 0);

  bind(dir_ / "link");
  bind("file");  // relative: from the bundle
  bind(dir_ / "innocent");
  bind(dir_ / "harmless");
  bind(dir_ / "fifo");
  bind("/dev/null");
  bind(dir_ / "absent");
  bind("file/below");
  const Result<Survey> seen = look();
  ASSERT_TRUE(seen.ok()) << seen.error().message();
  const auto& facts = seen->facts.sources;
  EXPECT_EQ(facts.at(dir_ / "link").resolved, dir_ / "file");
  EXPECT_EQ(facts.at(dir_ / "link").kind, SourceKind::kFile);
  EXPECT_EQ(facts.at("file").resolved, dir_ / "file");
  EXPECT_EQ(facts.at(dir_ / "innocent").resolved, "/proc/sys/kernel");
  EXPECT_EQ(facts.at(dir_ / "innocent").filesystem, "proc");
  EXPECT_EQ(facts.at(dir_ / "innocent").kind, SourceKind::kDirectory);
  EXPECT_EQ(facts.at(dir_ / "harmless").resolved, socket_path);
  EXPECT_EQ(facts.at(dir_ / "harmless").kind, SourceKind::kSocket);
  EXPECT_EQ(facts.at(dir_ / "fifo").kind, SourceKind::kFifo);
  EXPECT_EQ(facts.at("/dev/null").kind, SourceKind::kCharDevice);
  EXPECT_EQ(facts.at(dir_ / "absent").kind, SourceKind::kMissing);
  EXPECT_EQ(facts.at(dir_ / "absent").resolved, dir_ / "absent");
  EXPECT_EQ(facts.at("file/below").kind, SourceKind::kMissing);
  EXPECT_FALSE(seen->sources.contains(dir_ / "absent"));

  // What was judged is what is kept, whatever the path leads to by now.
  ASSERT_EQ(::unlink((dir_ / "link").c_str()), 0);
  ASSERT_EQ(::symlink("/etc/shadow", (dir_ / "link").c_str()), 0);
  EXPECT_EQ(*path_of(seen->sources.at(dir_ / "link").get()), dir_ / "file");
}

TEST_F(SurveyTest, OnlyBindsAreOpened) {
  spec_.mounts.push_back({.destination = "/proc",
                          .type = "proc",
                          .source = "proc",
                          .options = {},
                          .uid_mappings = {},
                          .gid_mappings = {}});
  spec_.mounts.push_back({.destination = "/a",
                          .type = "none",
                          .source = "/tmp",
                          .options = {"rbind", "ro"},
                          .uid_mappings = {},
                          .gid_mappings = {}});
  spec_.mounts.push_back({.destination = "/b",
                          .type = "",
                          .source = "/usr",
                          .options = {},
                          .uid_mappings = {},
                          .gid_mappings = {}});
  spec_.mounts.push_back({.destination = "/c",
                          .type = "tmpfs",
                          .source = "tmpfs",
                          .options = {"bind"},
                          .uid_mappings = {},
                          .gid_mappings = {}});
  const Result<Survey> seen = look();
  ASSERT_TRUE(seen.ok());
  EXPECT_FALSE(seen->facts.sources.contains("proc"));
  EXPECT_TRUE(seen->facts.sources.contains("/tmp"));
  EXPECT_TRUE(seen->facts.sources.contains("/usr"));
  EXPECT_TRUE(seen->facts.sources.contains("tmpfs"));
}

TEST_F(SurveyTest, NamesFilesystems) {
  for (const char* path : {"/sys", "/sys/fs/cgroup", "/proc"}) bind(path);
  const Result<Survey> seen = look();
  ASSERT_TRUE(seen.ok());
  EXPECT_EQ(seen->facts.sources.at("/sys").filesystem, "sysfs");
  EXPECT_EQ(seen->facts.sources.at("/proc").filesystem, "proc");
  const std::string& cgroup = seen->facts.sources.at("/sys/fs/cgroup").filesystem;
  EXPECT_TRUE(cgroup == "tmpfs" || cgroup == "cgroup2") << cgroup;
}

TEST_F(SurveyTest, HooksAreJudgedBehindLinksAndMagicLinks) {
  dir_.write("hook", "#!/bin/sh\n", 0755);
  ASSERT_EQ(::symlink("hook", (dir_ / "link").c_str()), 0);
  Forked sleeper(sleep_for_ever);
  const std::string exe = concat({"/proc/", std::to_string(sleeper.pid()), "/exe"});
  char self[4096] = {};
  ASSERT_GT(::readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
  for (const std::string& path :
       {dir_ / "link", exe, std::string("/bin/true"), dir_ / "absent", dir_.path()}) {
    spec_.hooks.prestart.push_back({.path = path, .args = {}, .env = {}, .timeout = {}});
  }
  spec_.hooks.start_container.push_back({.path = "/bin/false", .args = {}, .env = {}, .timeout = {}});
  const Result<Survey> seen = look();
  ASSERT_TRUE(seen.ok()) << seen.error().message();
  const auto& facts = seen->facts.hooks;
  EXPECT_EQ(facts.at(dir_ / "link").resolved, dir_ / "hook");
  EXPECT_TRUE(facts.at(dir_ / "link").found);
  EXPECT_EQ(facts.at(dir_ / "link").mode, 0755U);
  EXPECT_FALSE(facts.at(dir_ / "link").trusted_parents);  // /tmp is everybody's
  EXPECT_EQ(facts.at(exe).resolved, self);
  EXPECT_TRUE(facts.at(exe).found);
  EXPECT_TRUE(facts.at("/bin/true").trusted_parents);
  EXPECT_EQ(facts.at("/bin/true").uid, 0U);
  EXPECT_TRUE(facts.at("/bin/true").sha256.empty());
  EXPECT_FALSE(facts.at(dir_ / "absent").found);
  EXPECT_FALSE(facts.at(dir_.path()).found);
  EXPECT_FALSE(facts.contains("/bin/false"));
  EXPECT_TRUE(seen->hooks.contains(exe));
  EXPECT_FALSE(seen->hooks.contains(dir_ / "absent"));
}

TEST_F(SurveyTest, HashesAHookThatThePolicyPins) {
  const std::string path = dir_.write("hook", "abc", 0755);
  spec_.hooks.poststop.push_back({.path = path, .args = {}, .env = {}, .timeout = {}});
  policy_.hooks.push_back({.paths = {path}, .args = {}, .kinds = {}, .sha256 = std::string(64, '0')});
  const Result<Survey> seen = look();
  ASSERT_TRUE(seen.ok());
  EXPECT_EQ(seen->facts.hooks.at(path).sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(SurveyTest, NamespacesAreOpenedAndToldFromTheHosts) {
  Forked child([] {
    if (::unshare(CLONE_NEWUTS) != 0) return 1;
    return sleep_for_ever();
  });
  const std::string other = concat({"/proc/", std::to_string(child.pid()), "/ns/uts"});
  ASSERT_TRUE(eventually([&] {
    struct stat mine {};
    struct stat its {};
    return ::stat("/proc/self/ns/uts", &mine) == 0 && ::stat(other.c_str(), &its) == 0 &&
           mine.st_ino != its.st_ino;
  }));
  spec_.linux_.namespaces = {{oci::NamespaceType::kUts, other},
                             {oci::NamespaceType::kNetwork, "/proc/self/ns/net"},
                             {oci::NamespaceType::kIpc, "/run/absent-ns"},
                             {oci::NamespaceType::kMount, ""}};
  const Result<Survey> seen = look();
  ASSERT_TRUE(seen.ok()) << seen.error().message();
  EXPECT_TRUE(seen->facts.namespaces.at(other).found);
  EXPECT_FALSE(seen->facts.namespaces.at(other).is_host);
  EXPECT_TRUE(seen->facts.namespaces.at("/proc/self/ns/net").is_host);
  EXPECT_FALSE(seen->facts.namespaces.at("/run/absent-ns").found);
  EXPECT_EQ(seen->facts.namespaces.size(), 3U);
  // The descriptor can be joined.
  Forked joiner([&] { return ::setns(seen->namespaces.at(other).get(), CLONE_NEWUTS) == 0 ? 0 : 1; });
  EXPECT_EQ(joiner.wait(), 0);
}

TEST_F(SurveyTest, ANamespacePathMustBeOneOfItsType) {
  spec_.linux_.namespaces = {{oci::NamespaceType::kIpc, "/proc/self/ns/net"}};
  EXPECT_EQ(look().error().code, Code::kInvalid);
  // A FIFO would hold whoever opens it for reading.
  ASSERT_EQ(::mkfifo((dir_ / "fifo").c_str(), 0600), 0);
  spec_.linux_.namespaces = {{oci::NamespaceType::kNetwork, dir_ / "fifo"}};
  const Result<Survey> seen = look();
  ASSERT_FALSE(seen.ok());
  EXPECT_NE(seen.error().message().find("is not a namespace"), std::string::npos);
}

TEST_F(SurveyTest, HostFacts) {
  const policy::HostFacts facts = survey_host("/run/gabion");
  EXPECT_GT(facts.memory_bytes, 1ULL << 24);
  EXPECT_TRUE(facts.native_arch.starts_with("SCMP_ARCH_"));
  EXPECT_EQ(look()->facts.bundle, dir_.path());
}

// A chain of processes, each an executable of `chain` (busybox or a shell), and below them a fork of
// this test that looks up.
std::string engine_seen_below(const std::vector<std::string>& chain, const std::string& root) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return "(error)";
  const auto look_up = [&] {
    const std::string parent = concat({"/proc/", std::to_string(::getppid()), "/exe"});
    const bool ready = eventually([&] {
      char target[4096] = {};
      return ::readlink(parent.c_str(), target, sizeof(target) - 1) > 0 && chain.back() == target;
    });
    return ready && write_all(ends[1], calling_engine(root)).ok() ? 0 : 1;
  };
  Forked top([&] {
    for (const std::string& exe : chain) {
      // The child goes on to the next, the parent becomes this one.
      if (::fork() != 0) {
        (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const bool shell = exe.ends_with("sh");
        if (shell) ::execl(exe.c_str(), "sh", "-c", "kill -STOP $$", nullptr);
        ::execl(exe.c_str(), "sleep", "60", nullptr);
        return 1;
      }
    }
    return look_up();
  });
  (void)::close(ends[1]);
  Result<std::string> text = read_fd(ends[0], 100, "pipe");
  (void)::close(ends[0]);
  return text.ok() ? *text : "(error)";
}

TEST(Engine, IsTheCallersExecutable) {
  const Scratch dir;
  const auto copy = [&](const std::string& name) {
    const std::string path = dir / name;
    EXPECT_EQ(::system(concat({"cp /bin/busybox ", path}).c_str()), 0);
    return path;
  };
  const std::string shim = copy("containerd-shim-runc-v2");
  const std::string docker_root = "/var/run/docker/runtime-runc/moby";
  EXPECT_EQ(engine_seen_below({shim}, "/run/containerd/runc/default"), "containerd");
  EXPECT_EQ(engine_seen_below({shim}, "/run/containerd/runc/k8s.io"), "cri");
  EXPECT_EQ(engine_seen_below({shim}, docker_root), "docker");
  EXPECT_EQ(engine_seen_below({shim}, "/run/gabion/containerd/moby"), "docker");
  EXPECT_EQ(engine_seen_below({copy("conmon")}, "/run/gabion"), "podman");
  // Docker's runtimeArgs put a shell in between.
  EXPECT_EQ(engine_seen_below({shim, "/usr/bin/dash"}, docker_root), "docker");
  // Somebody else's program, alone or below a shim, and a shim that others may write.
  const std::string other = copy("anything");
  EXPECT_EQ(engine_seen_below({other}, docker_root), "");
  EXPECT_EQ(engine_seen_below({shim, other}, docker_root), "");
  ASSERT_EQ(::chmod(shim.c_str(), 0777), 0);
  EXPECT_EQ(engine_seen_below({shim}, docker_root), "");
}

}  // namespace
}  // namespace gabion::container
