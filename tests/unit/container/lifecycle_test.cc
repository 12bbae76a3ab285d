// The operations on containers made by hand: a real process, a real cgroup, a state file.
#include "container/lifecycle.h"

#include <optional>

#include "base/text.h"
#include "container/container.h"
#include "container/id_range.h"
#include "container/process.h"
#include "container/store.h"
#include "oci/features.h"
#include "oci/writer.h"
#include "tests/unit/container/support.h"

namespace gabion::container {
namespace {

using testing::eventually;
using testing::Forked;
using testing::nap;
using testing::Scratch;
using testing::sleep_for_ever;

class Lifecycle : public ::testing::Test {
 protected:
  Lifecycle() : audit_(audit::Log::disabled()) {
    host_.root = dir_ / "state";
    host_.policy = &policy_;
    host_.audit = &audit_;
    host_.debug = [this](std::string_view text) { debug_ += text; };
    host_.warn = [this](std::string_view text) { warnings_ += text; };
    (void)::signal(SIGCHLD, SIG_DFL);
  }
  ~Lifecycle() override {
    if (!cgroup_) return;
    (void)cgroup_->kill_all(5000);
    (void)cgroup_->remove();
  }

  Store store() { return std::move(Store::open(host_.root)).value(); }

  // A container whose init is `pid`; 0: none.
  State make(const std::string& id, pid_t pid, ContainerStatus phase = ContainerStatus::kRunning) {
    const Store into = store();
    Result<Reservation> reservation = into.reserve(id);
    EXPECT_TRUE(reservation.ok());
    State state;
    state.id = id;
    state.oci_version = "1.2.0";
    state.bundle = dir_.path();
    state.created = "2026-01-02T03:04:05Z";
    state.phase = phase;
    state.init_pid = pid;
    if (pid > 0) state.init_start_time = *process_start_time(pid);
    if (cgroup_) state.cgroup = cgroup_->location();
    EXPECT_TRUE(into.save(state).ok());
    EXPECT_TRUE(into.write_entry(id, "config.json", json::write(oci::write_spec(oci::example_spec()))).ok());
    reservation->commit();
    return state;
  }

  void make_cgroup() {
    const std::string name = concat({"/gabion-unit-", std::to_string(::getpid())});
    Result<kernel::CgroupLocation> location = kernel::Cgroup::locate(name, "x");
    ASSERT_TRUE(location.ok()) << location.error().message();
    Result<kernel::Cgroup> cgroup = kernel::Cgroup::create(*location, {});
    ASSERT_TRUE(cgroup.ok()) << cgroup.error().message();
    cgroup_.emplace(std::move(cgroup).value());
  }

  // A child inside the cgroup; with `children` more processes below it.
  Forked spawn_inside(int children = 0) {
    Result<std::vector<Fd>> files = cgroup_->open_procs();
    EXPECT_TRUE(files.ok());
    Forked child([&] {
      for (const Fd& file : *files) {
        if (!write_all(file.get(), "0").ok()) return 1;
      }
      for (int i = 0; i < children; ++i) {
        if (::fork() == 0) break;
      }
      return sleep_for_ever();
    });
    const size_t expected = static_cast<size_t>(children) + 1;
    EXPECT_TRUE(
        eventually([&] { return cgroup_->processes().ok() && cgroup_->processes()->size() == expected; }));
    return child;
  }

  Scratch dir_;
  policy::Policy policy_;
  audit::Log audit_;
  Host host_;
  std::string debug_;
  std::string warnings_;
  std::optional<kernel::Cgroup> cgroup_;
};

TEST_F(Lifecycle, AbsentContainersAreSaidToBe) {
  EXPECT_EQ(info(host_, "x").error().message(), "container does not exist");
  EXPECT_EQ(kill(host_, "x", SIGTERM, false).error().message(), "container does not exist");
  EXPECT_EQ(pause(host_, "x").error().message(), "container does not exist");
  EXPECT_EQ(resume(host_, "x").error().message(), "container does not exist");
  EXPECT_EQ(update(host_, "x", {}).error().message(), "container does not exist");
  EXPECT_EQ(processes(host_, "x").error().message(), "container does not exist");
  EXPECT_EQ(config(host_, "x").error().message(), "container does not exist");
  EXPECT_EQ(remove(host_, "x", false).error().message(), "container does not exist");
  EXPECT_TRUE(remove(host_, "x", true).ok());
  EXPECT_TRUE(list(host_)->empty());
  EXPECT_FALSE(remove(host_, "../x", true).ok());
}

TEST_F(Lifecycle, TheKernelSaysWhetherItRuns) {
  Forked child(sleep_for_ever);
  make("run", child.pid());
  make("created", child.pid(), ContainerStatus::kCreated);
  State reused = make("reused", child.pid());
  reused.init_start_time += 1;  // the pid now belongs to a later process
  ASSERT_TRUE(store().save(reused).ok());
  EXPECT_EQ(info(host_, "run")->status, ContainerStatus::kRunning);
  EXPECT_EQ(info(host_, "run")->pid, child.pid());
  EXPECT_EQ(info(host_, "run")->owner, "root");
  EXPECT_EQ(info(host_, "created")->status, ContainerStatus::kCreated);
  EXPECT_EQ(info(host_, "reused")->status, ContainerStatus::kStopped);
  EXPECT_EQ(info(host_, "reused")->pid, 0);
  EXPECT_EQ(kill(host_, "reused", SIGKILL, false).error().message(), "container not running");
  EXPECT_EQ(list(host_)->size(), 3U);
  // Deleting it leaves the stranger alone.
  ASSERT_TRUE(remove(host_, "reused", true).ok());
  EXPECT_EQ(::kill(child.pid(), 0), 0);
}

TEST_F(Lifecycle, KillSignalsInitThenSaysNotRunning) {
  Forked child(sleep_for_ever);
  make("c1", child.pid());
  EXPECT_TRUE(kill(host_, "c1", 0, false).ok());
  EXPECT_TRUE(kill(host_, "c1", SIGTERM, false).ok());
  EXPECT_EQ(child.wait(), 128 + SIGTERM);
  EXPECT_EQ(kill(host_, "c1", SIGTERM, false).error().message(), "container not running");
  EXPECT_TRUE(kill(host_, "c1", SIGKILL, true).ok());  // --all of a stopped one is fine, as in runc
  EXPECT_EQ(pause(host_, "c1").error().message(), "container not running");
  EXPECT_EQ(resume(host_, "c1").error().message(), "container not paused");
  EXPECT_EQ(update(host_, "c1", {}).error().message(), "container not running");
  EXPECT_TRUE(remove(host_, "c1", false).ok());
  EXPECT_TRUE(list(host_)->empty());
}

TEST_F(Lifecycle, RunningNeedsForceToBeDeleted) {
  Forked child(sleep_for_ever);
  make("c1", child.pid());
  EXPECT_EQ(remove(host_, "c1", false).error().message(),
            "cannot delete container c1 that is not stopped: running");
  EXPECT_EQ(::kill(child.pid(), 0), 0);
  EXPECT_TRUE(remove(host_, "c1", true).ok());
  EXPECT_EQ(child.wait(), 128 + SIGKILL);
  EXPECT_EQ(info(host_, "c1").error().code, Code::kNotFound);
}

TEST_F(Lifecycle, CreatedIsDeletedWithoutForce) {
  Forked child(sleep_for_ever);
  make("c1", child.pid(), ContainerStatus::kCreated);
  EXPECT_TRUE(remove(host_, "c1", false).ok());
  EXPECT_EQ(child.wait(), 128 + SIGKILL);
}

TEST_F(Lifecycle, PausesResumesAndDeletesPaused) {
  make_cgroup();
  Forked child = spawn_inside(2);
  make("c1", child.pid());
  EXPECT_EQ(processes(host_, "c1")->size(), 3U);
  EXPECT_EQ(resume(host_, "c1").error().message(), "container not paused");
  ASSERT_TRUE(pause(host_, "c1").ok());
  EXPECT_EQ(info(host_, "c1")->status, ContainerStatus::kPaused);
  EXPECT_EQ(pause(host_, "c1").error().message(), "container not running");
  EXPECT_EQ(remove(host_, "c1", false).error().message(),
            "cannot delete container c1 that is not stopped: paused");
  ASSERT_TRUE(resume(host_, "c1").ok());
  EXPECT_EQ(info(host_, "c1")->status, ContainerStatus::kRunning);
  ASSERT_TRUE(pause(host_, "c1").ok());
  // Our own child stays a zombie until it is waited for; a zombie counts as gone.
  ASSERT_TRUE(remove(host_, "c1", true).ok());
  EXPECT_EQ(child.wait(), 128 + SIGKILL);
  struct stat gone {};
  for (const auto& [controller, directory] : cgroup_->location().directories) {
    EXPECT_NE(::stat(directory.c_str(), &gone), 0) << controller;
  }
}

TEST_F(Lifecycle, KillOfAPausedContainerKills) {
  make_cgroup();
  Forked child = spawn_inside();
  make("c1", child.pid());
  ASSERT_TRUE(pause(host_, "c1").ok());
  ASSERT_TRUE(kill(host_, "c1", SIGKILL, false).ok());
  EXPECT_EQ(child.wait(), 128 + SIGKILL);
}

TEST_F(Lifecycle, SharedPidNamespaceIsKilledThroughTheCgroup) {
  make_cgroup();
  Forked child = spawn_inside(3);
  State state = make("c1", child.pid());
  state.own_pid_namespace = false;
  ASSERT_TRUE(store().save(state).ok());
  // Init goes first; what it left behind is still killed, and without --all.
  ASSERT_EQ(::kill(child.pid(), SIGKILL), 0);
  child.wait();
  EXPECT_EQ(info(host_, "c1")->status, ContainerStatus::kStopped);
  EXPECT_EQ(processes(host_, "c1")->size(), 3U);
  ASSERT_TRUE(kill(host_, "c1", SIGKILL, false).ok());
  EXPECT_TRUE(processes(host_, "c1")->empty());
  EXPECT_EQ(kill(host_, "c1", SIGKILL, false).error().message(), "container not running");
  EXPECT_TRUE(remove(host_, "c1", false).ok());
}

TEST_F(Lifecycle, KillAllReachesEveryProcess) {
  make_cgroup();
  Forked child = spawn_inside(3);
  make("c1", child.pid());
  ASSERT_TRUE(kill(host_, "c1", SIGTERM, true).ok());
  EXPECT_EQ(child.wait(), 128 + SIGTERM);
  EXPECT_TRUE(eventually([&] { return processes(host_, "c1")->empty(); }));
}

TEST_F(Lifecycle, WithoutCgroupsTheErrorSaysSo) {
  Forked child(sleep_for_ever);
  make("c1", child.pid());
  for (const Status& status :
       {pause(host_, "c1"), update(host_, "c1", {}), kill(host_, "c1", SIGTERM, true)}) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Code::kUnsupported);
    EXPECT_NE(status.error().message().find("cgroups disabled"), std::string::npos);
  }
  EXPECT_FALSE(open_cgroup(host_, "c1").ok());
  EXPECT_FALSE(processes(host_, "c1").ok());
}

TEST_F(Lifecycle, UpdateAppliesAndIsRemembered) {
  make_cgroup();
  Forked child = spawn_inside();
  make("c1", child.pid());
  oci::Resources change;
  change.pids_limit = 77;
  const Status updated = update(host_, "c1", change);
  ASSERT_TRUE(updated.ok()) << updated.error().message();
  bool found = false;
  for (const auto& [controller, directory] : cgroup_->location().directories) {
    const Result<std::string> value = read_file(directory + "/pids.max", 64);
    if (value.ok() && controller.find("pids") != std::string::npos) {
      EXPECT_EQ(*value, "77\n");
      found = true;
    }
  }
  EXPECT_TRUE(found || kernel::cgroup_mode() == kernel::CgroupMode::kUnified);
  EXPECT_EQ(config(host_, "c1")->linux_.resources->pids_limit, 77);
  EXPECT_EQ(config(host_, "c1")->hostname, oci::example_spec().hostname);
}

// What a creator leaves when it is killed: nothing but the directory; a state without a process;
// a state with one.
TEST_F(Lifecycle, AKilledCreatorsRemainsAreCleared) {
  ASSERT_TRUE(make_directories(host_.root, 0700).ok());
  ASSERT_EQ(::mkdir((host_.root + "/bare").c_str(), 0700), 0);
  make("early", 0, ContainerStatus::kCreating);
  Forked child(sleep_for_ever);
  make("late", child.pid(), ContainerStatus::kCreating);
  make("damaged", 0);
  ASSERT_TRUE(store().write_entry("damaged", "state.json", "{\"ver").ok());
  EXPECT_EQ(list(host_)->size(), 4U);
  for (const char* id : {"bare", "early", "late", "damaged"}) {
    EXPECT_EQ(info(host_, id)->status, ContainerStatus::kStopped) << id;
    EXPECT_EQ(kill(host_, id, SIGTERM, false).error().message(), "container not running") << id;
    const Status removed = remove(host_, id, true);
    EXPECT_TRUE(removed.ok()) << id << removed.error().message();
  }
  EXPECT_EQ(child.wait(), 128 + SIGKILL);
  EXPECT_TRUE(list(host_)->empty());
}

TEST_F(Lifecycle, CreatingWhileTheCreatorHoldsTheLock) {
  make("c1", 0, ContainerStatus::kCreating);
  const Store held = store();
  Forked creator([&] {
    const Result<Fd> lock = held.lock("c1");
    return lock.ok() ? sleep_for_ever() : 1;
  });
  ASSERT_TRUE(eventually([&] { return info(host_, "c1")->status == ContainerStatus::kCreating; }));
  // A deleter waits, and gets on when the creator is killed.
  Forked deleter([&] { return remove(host_, "c1", true).ok() ? 0 : 1; });
  nap(100);
  EXPECT_TRUE(info(host_, "c1").ok());
  ASSERT_EQ(::kill(creator.pid(), SIGKILL), 0);
  EXPECT_EQ(deleter.wait(), 0);
  EXPECT_EQ(info(host_, "c1").error().code, Code::kNotFound);
}

TEST_F(Lifecycle, ManyDeletersAllSucceed) {
  Forked child(sleep_for_ever);
  make("c1", child.pid());
  std::vector<Forked> deleters;
  for (int i = 0; i < 8; ++i) {
    deleters.emplace_back([&] { return remove(host_, "c1", true).ok() ? 0 : 1; });
  }
  for (Forked& deleter : deleters) EXPECT_EQ(deleter.wait(), 0);
  EXPECT_TRUE(list(host_)->empty());
}

TEST_F(Lifecycle, PoststopHooksRunAndDoNotKeepTheContainer) {
  State state = make("c1", 0);
  state.annotations = {{"k", "v"}};
  state.hooks.poststop = {
      {.path = "/bin/sh", .args = {"sh", "-c", "cat > stopped.json"}, .env = {}, .timeout = {}},
      {.path = "/bin/sh", .args = {"sh", "-c", "echo why >&2; exit 9"}, .env = {}, .timeout = {}}};
  ASSERT_TRUE(store().save(state).ok());
  ASSERT_TRUE(remove(host_, "c1", false).ok());
  EXPECT_TRUE(list(host_)->empty());
  EXPECT_NE(warnings_.find("error running poststop hook #1: exit status 9"), std::string::npos);
  const Result<json::Value> document = json::parse(*read_file(dir_ / "stopped.json", 4096), "state");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->find("status")->text(), "stopped");
  EXPECT_EQ(document->find("id")->text(), "c1");
  EXPECT_EQ(document->find("ociVersion")->text(), "1.2.0");
  EXPECT_EQ(document->find("annotations")->find("k")->text(), "v");
}

TEST_F(Lifecycle, WithoutAnAuditLogOnlyEndingIsAllowed) {
  make_cgroup();
  Forked child = spawn_inside();
  make("c1", child.pid());
  audit_ = audit::Log::failed(dir_ / "audit", make_error(Code::kSystem, "disk full"), dir_ / "gaps");
  const Status paused = pause(host_, "c1");
  ASSERT_FALSE(paused.ok());
  EXPECT_NE(paused.error().message().find("cannot be audited"), std::string::npos);
  EXPECT_EQ(info(host_, "c1")->status, ContainerStatus::kRunning);
  oci::Resources change;
  change.pids_limit = 5;
  EXPECT_FALSE(update(host_, "c1", change).ok());
  EXPECT_TRUE(kill(host_, "c1", SIGKILL, false).ok());
  EXPECT_EQ(child.wait(), 128 + SIGKILL);
  EXPECT_TRUE(remove(host_, "c1", false).ok());
}

TEST_F(Lifecycle, EveryOperationIsAuditedBeforeItHappens) {
  Result<audit::Log> log = audit::Log::open(dir_ / "audit.jsonl", dir_ / "gaps");
  ASSERT_TRUE(log.ok()) << log.error().message();
  audit_ = std::move(log).value();
  Forked child(sleep_for_ever);
  make("c1", child.pid());
  ASSERT_TRUE(kill(host_, "c1", SIGTERM, false).ok());
  child.wait();
  ASSERT_TRUE(remove(host_, "c1", false).ok());
  const std::string text = *read_file(dir_ / "audit.jsonl", size_t{1} << 20);
  EXPECT_NE(text.find("container.kill"), std::string::npos);
  EXPECT_NE(text.find("signal 15"), std::string::npos);
  EXPECT_NE(text.find("container.delete"), std::string::npos);
}

TEST_F(Lifecycle, ExplainTouchesNothing) {
  dir_.write("config.json", json::write(oci::write_spec(oci::example_spec())));
  const Result<Explanation> explanation = explain(host_, dir_.path(), "config.json");
  ASSERT_TRUE(explanation.ok()) << explanation.error().message();
  EXPECT_FALSE(explanation->refused);
  ASSERT_TRUE(explanation->hardened);
  EXPECT_EQ(*explanation->hardened, oci::example_spec());  // passthrough
  EXPECT_FALSE(explain(host_, dir_.path(), "absent.json").ok());
  EXPECT_FALSE(explain(host_, dir_ / "absent", "config.json").ok());
  struct stat state {};
  EXPECT_NE(::stat(host_.root.c_str(), &state), 0);
}

}  // namespace
}  // namespace gabion::container
