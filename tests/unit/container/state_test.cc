#include "container/state.h"

#include <gtest/gtest.h>

namespace gabion::container {
namespace {

State full_state() {
  State state;
  state.id = "c1";
  state.oci_version = "1.2.0";
  state.bundle = "/b/\"quoted\"";
  state.rootfs = "/b/rootfs";
  state.created = "2026-01-02T03:04:05.678Z";
  state.phase = ContainerStatus::kRunning;
  state.init_pid = 4242;
  state.init_start_time = UINT64_MAX;
  state.cgroup.directories = {{"memory", "/sys/fs/cgroup/memory/x"}, {"unified", "/sys/fs/cgroup/unified/x"}};
  state.id_base = 4294836224U;
  state.id_size = 65536;
  state.recorded = true;
  state.own_pid_namespace = false;
  state.policy = "restricted";
  state.controls.own_user_namespace = true;
  state.controls.core_dumps_off = true;
  state.controls.private_stdio = true;
  state.controls.seccomp_profile = "restricted";
  state.controls.violations.set(0, policy::Answer::kKill);
  state.controls.violations.set(3, policy::Answer::kLog);
  state.monitor = {4243, 98765};
  oci::Seccomp filter;
  filter.default_action = "SCMP_ACT_ERRNO";
  filter.default_errno_ret = 38;
  filter.architectures = {"SCMP_ARCH_X86_64"};
  filter.syscalls = {{.names = {"read", "write"}, .action = "SCMP_ACT_ALLOW", .errno_ret = {}, .args = {}}};
  filter.syscalls[0].args = {{.index = 1, .value = UINT64_MAX, .value_two = 2, .op = "SCMP_CMP_EQ"}};
  state.controls.seccomp_filters = {{.file = "/p.json", .sha256 = "ab", .filter = filter}};
  state.controls.volatile_paths = {{"/tmp"}, {"/var"}};
  state.controls.volatile_bytes = 1ULL << 40;
  state.controls.tmpfs_bytes = 7;
  state.controls.exceptions = {{"node-exporter", "cd"}};
  state.landlock = {{"/", kernel::landlock::kRead, true, 27}, {"/dev", kernel::landlock::kAll, false, 28}};
  state.annotations = {{"b", "2"}, {"a", "1"}};
  state.hooks.poststop = {{.path = "/bin/x", .args = {"x", "y"}, .env = {"A=1"}, .timeout = 5}};
  state.hooks.poststart = {{.path = "/bin/z", .args = {}, .env = {}, .timeout = {}}};
  return state;
}

TEST(State, SurvivesWritingAndReading) {
  const State state = full_state();
  const Result<json::Value> document = json::parse(json::write(write_state(state)), "state.json");
  ASSERT_TRUE(document.ok());
  const Result<State> back = read_state(*document);
  ASSERT_TRUE(back.ok()) << back.error().message();
  EXPECT_EQ(back->id, state.id);
  EXPECT_EQ(back->oci_version, state.oci_version);
  EXPECT_EQ(back->bundle, state.bundle);
  EXPECT_EQ(back->rootfs, state.rootfs);
  EXPECT_EQ(back->created, state.created);
  EXPECT_EQ(back->phase, state.phase);
  EXPECT_EQ(back->init_pid, state.init_pid);
  EXPECT_EQ(back->init_start_time, state.init_start_time);
  EXPECT_EQ(back->monitor.pid, state.monitor.pid);
  EXPECT_EQ(back->monitor.start_time, state.monitor.start_time);
  EXPECT_EQ(back->cgroup.directories, state.cgroup.directories);
  EXPECT_EQ(back->id_base, state.id_base);
  EXPECT_EQ(back->id_size, state.id_size);
  EXPECT_EQ(back->recorded, state.recorded);
  EXPECT_EQ(back->own_pid_namespace, state.own_pid_namespace);
  EXPECT_EQ(back->policy, state.policy);
  EXPECT_EQ(back->controls, state.controls);
  EXPECT_EQ(back->landlock, state.landlock);
  EXPECT_EQ(back->annotations, state.annotations);
  EXPECT_EQ(back->hooks, state.hooks);
}

TEST(State, APlaceIsOfAMount) {
  State state = full_state();
  state.landlock[1].mount = 0;
  EXPECT_FALSE(read_state(write_state(state)).ok());
}

// A file somebody edited must not become a state with holes: each key is needed, each type checked.
TEST(State, EveryKeyIsRequiredAndTyped) {
  const json::Value whole = write_state(full_state());
  for (const json::Member& member : whole.members()) {
    json::Value missing = json::Value::object();
    for (const json::Member& other : whole.members()) {
      if (other.first != member.first) missing.set(other.first, other.second);
    }
    EXPECT_FALSE(read_state(missing).ok()) << member.first;
    json::Value wrong = whole;
    wrong.set(member.first,
              member.second.is(json::Value::Kind::kArray) ? json::Value::object() : json::Value::array());
    EXPECT_FALSE(read_state(wrong).ok()) << member.first;
  }
}

TEST(State, RefusesNumbersOutOfRangeAndUnknownPhases) {
  for (const auto& [key, value] :
       {std::pair("initPid", json::Value::number("2147483648")),
        std::pair("initPid", json::Value::number("-1")),
        std::pair("idBase", json::Value::number("4294967296")),
        std::pair("phase", json::Value::string("paused")), std::pair("version", json::Value::number("2"))}) {
    json::Value document = write_state(full_state());
    document.set(key, value);
    EXPECT_FALSE(read_state(document).ok()) << key << " " << value.text();
  }
}

TEST(State, NamesEveryStatus) {
  EXPECT_EQ(status_name(ContainerStatus::kCreating), "creating");
  EXPECT_EQ(status_name(ContainerStatus::kPaused), "paused");
  EXPECT_EQ(status_name(ContainerStatus::kStopped), "stopped");
}

}  // namespace
}  // namespace gabion::container
