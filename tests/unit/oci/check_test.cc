#include "oci/check.h"

#include <gtest/gtest.h>

#include <functional>

#include "full_spec.h"
#include "oci/features.h"
#include "oci/reader.h"
#include "real_specs.h"

namespace gabion::oci {
namespace {

using Change = std::function<void(Spec&)>;

// The example config with one change: what check_spec says, "ok" if nothing.
std::string after(const Change& change) {
  Spec spec = example_spec();
  change(spec);
  Status status = check_spec(spec);
  return status.ok() ? "ok" : status.error().message();
}

Code code_after(const Change& change) {
  Spec spec = example_spec();
  change(spec);
  Status status = check_spec(spec);
  return status.ok() ? Code::kInternal : status.error().code;
}

Seccomp filter() {
  Seccomp seccomp;
  seccomp.default_action = "SCMP_ACT_ERRNO";
  SeccompSyscall call;
  call.names = {"read"};
  call.action = "SCMP_ACT_ALLOW";
  seccomp.syscalls = {call};
  return seccomp;
}

std::string after_seccomp(const std::function<void(Seccomp&)>& change) {
  return after([&change](Spec& spec) {
    spec.linux_.seccomp = filter();
    change(*spec.linux_.seccomp);
  });
}

void add_namespace(Spec& spec, NamespaceType type, std::string path = "") {
  spec.linux_.namespaces.push_back(Namespace{.type = type, .path = std::move(path)});
}

void drop_namespace(Spec& spec, NamespaceType type) {
  std::erase_if(spec.linux_.namespaces, [type](const Namespace& entry) { return entry.type == type; });
}

TEST(Check, RealSpecsPass) {
  for (const char* name : kRealSpecs) {
    auto spec = parse_spec(real_spec(name), name);
    ASSERT_TRUE(spec.ok());
    Status status = check_spec(*spec);
    EXPECT_TRUE(status.ok()) << name << ": " << status.error().message();
  }
  EXPECT_EQ(after([](Spec&) {}), "ok");
}

TEST(Check, EveryFieldPassesButTheUnsupported) {
  Spec spec = parse_spec(kFullSpec, "full").value();
  EXPECT_EQ(check_spec(spec).error().code, Code::kUnsupported);
  spec.linux_.has_intel_rdt = false;
  EXPECT_EQ(check_spec(spec).error().code, Code::kUnsupported);
  spec.linux_.net_devices.clear();
  EXPECT_EQ(check_spec(spec).error().code, Code::kUnsupported);
  spec.linux_.personality->flags.clear();
  Status status = check_spec(spec);
  EXPECT_TRUE(status.ok()) << status.error().message();
}

TEST(Check, Version) {
  for (const char* version : {"1.0.0", "1.0.2-dev", "1.0.0-rc5", "1.2.1", "1.3.0", "1.3.0+dev", "1.10.20"}) {
    EXPECT_EQ(after([version](Spec& spec) { spec.oci_version = version; }), "ok") << version;
  }
  for (const char* version : {"", "1", "1.0", "1.0.", "1..0", "1.0.0x", "1.0.0-", "2.0.0", "0.9.0", "10.0.0",
                              "1.a.0", "v1.0.0", " 1.0.0", "1.0.0.0"}) {
    EXPECT_TRUE(after([version](Spec& spec) {
                  spec.oci_version = version;
                }).starts_with("ociVersion: unknown version specified"))
        << version;
  }
}

TEST(Check, ProcessAndRoot) {
  EXPECT_EQ(after([](Spec& spec) { spec.process.reset(); }), "process property must not be empty");
  EXPECT_EQ(after([](Spec& spec) { spec.process->cwd = ""; }), "Cwd property must not be empty");
  EXPECT_EQ(after([](Spec& spec) { spec.process->cwd = "tmp"; }), "Cwd must be an absolute path");
  EXPECT_EQ(after([](Spec& spec) { spec.process->args.clear(); }), "args must not be empty");
  EXPECT_NE(after([](Spec& spec) { spec.process->args = {""}; }), "ok");
  EXPECT_EQ(after([](Spec& spec) { spec.root.reset(); }), "root must be specified");
  EXPECT_NE(after([](Spec& spec) { spec.root->path = ""; }), "ok");
  EXPECT_EQ(after([](Spec& spec) { spec.process->env.push_back("A"); }),
            "process.env[2]: invalid environment variable: missing '='");
  EXPECT_NE(after([](Spec& spec) { spec.process->env.push_back("=A"); }), "ok");
  EXPECT_NE(after([](Spec& spec) { spec.process->oom_score_adj = 1001; }), "ok");
  EXPECT_EQ(after([](Spec& spec) { spec.process->oom_score_adj = -1000; }), "ok");
  // What unknown names mean is for the rules, as runc only warns.
  EXPECT_EQ(after([](Spec& spec) { spec.process->capabilities->bounding.push_back("CAP_NEW"); }), "ok");
}

TEST(Check, Rlimits) {
  auto limits = [](std::vector<Rlimit> list) {
    return after([&list](Spec& spec) { spec.process->rlimits = list; });
  };
  EXPECT_EQ(limits({{"RLIMIT_CORE", 0, 0}, {"RLIMIT_NOFILE", 5, 5}}), "ok");
  EXPECT_EQ(limits({{"RLIMIT_X", 0, 0}}), "process.rlimits[0]: wrong rlimit value: \"RLIMIT_X\"");
  EXPECT_NE(limits({{"RLIMIT_CORE", 2, 1}}), "ok");
  EXPECT_EQ(limits({{"RLIMIT_CORE", 0, 0}, {"RLIMIT_CORE", 1, 1}}),
            "process.rlimits[1]: duplicated rlimit RLIMIT_CORE");
}

TEST(Check, Scheduling) {
  auto scheduler = [](
                       std::string policy,
                       const std::function<void(Scheduler&)>& change = [](Scheduler&) {}) {
    return after([&](Spec& spec) {
      spec.process->scheduler.emplace().policy = policy;
      change(*spec.process->scheduler);
    });
  };
  EXPECT_EQ(scheduler("SCHED_OTHER", [](Scheduler& s) { s.nice = -20; }), "ok");
  EXPECT_EQ(scheduler("SCHED_FIFO", [](Scheduler& s) { s.priority = 99; }), "ok");
  EXPECT_EQ(scheduler(""), "scheduler policy is required");
  EXPECT_NE(scheduler("SCHED_FAST"), "ok");
  EXPECT_EQ(scheduler("SCHED_OTHER", [](Scheduler& s) { s.nice = 20; }), "invalid scheduler.nice: 20");
  EXPECT_EQ(scheduler("SCHED_OTHER", [](Scheduler& s) { s.priority = 1; }),
            "scheduler.priority can only be specified for SchedFIFO or SchedRR policy");
  EXPECT_EQ(scheduler("SCHED_RR", [](Scheduler& s) { s.runtime = 1; }),
            "scheduler runtime/deadline/period can only be specified for SchedDeadline policy");
  EXPECT_NE(scheduler("SCHED_RR", [](Scheduler& s) { s.flags = {"X"}; }), "ok");
  EXPECT_EQ(after([](Spec& spec) { spec.process->io_priority = IoPriority{"IOPRIO_CLASS_BE", 7}; }), "ok");
  EXPECT_NE(after([](Spec& spec) { spec.process->io_priority = IoPriority{"IOPRIO_CLASS_BE", 8}; }), "ok");
  EXPECT_NE(after([](Spec& spec) { spec.process->io_priority = IoPriority{"", 0}; }), "ok");
  EXPECT_NE(after([](Spec& spec) { spec.process->exec_cpu_affinity = ExecCpuAffinity{"0;1", ""}; }), "ok");
}

TEST(Check, MountsAndHooks) {
  EXPECT_EQ(after([](Spec& spec) { spec.mounts[0].destination = ""; }),
            "mounts[0]: mount destination not absolute: \"\"");
  EXPECT_NE(after([](Spec& spec) { spec.mounts[0].uid_mappings = {{0, 1, 1}}; }), "ok");
  EXPECT_EQ(after([](Spec& spec) {
              spec.hooks.poststop = {Hook{"bin/x", {}, {}, {}}};
            }),
            "hooks.poststop[0]: hook path must be absolute: \"bin/x\"");
  for (int64_t timeout : {0, -1}) {
    EXPECT_EQ(after([timeout](Spec& spec) {
                spec.hooks.prestart = {Hook{"/x", {}, {}, timeout}};
              }),
              "hooks.prestart[0]: hook timeout must be greater than zero");
  }
  EXPECT_EQ(after([](Spec& spec) { spec.hooks.prestart = {Hook{"/x", {}, {}, 1}}; }), "ok");
}

TEST(Check, Namespaces) {
  EXPECT_EQ(after([](Spec& spec) { add_namespace(spec, NamespaceType::kPid); }),
            "malformed spec file: duplicated ns \"pid\"");
  EXPECT_NE(after([](Spec& spec) { add_namespace(spec, NamespaceType::kCgroup, "proc/1/ns/cgroup"); }), "ok");
  EXPECT_EQ(after([](Spec& spec) { drop_namespace(spec, NamespaceType::kUts); }),
            "unable to set hostname without a private UTS namespace");
  EXPECT_EQ(after([](Spec& spec) {
              drop_namespace(spec, NamespaceType::kUts);
              spec.hostname = "";
            }),
            "ok");
  EXPECT_EQ(after([](Spec& spec) { drop_namespace(spec, NamespaceType::kMount); }),
            "unable to restrict sys entries without a private MNT namespace");
}

TEST(Check, UserNamespaces) {
  const std::vector<IdMapping> range = {{0, 100000, 65536}};
  EXPECT_EQ(after([](Spec& spec) { add_namespace(spec, NamespaceType::kUser); }),
            "user namespaces enabled, but no uid mappings found");
  EXPECT_EQ(after([&](Spec& spec) {
              add_namespace(spec, NamespaceType::kUser);
              spec.linux_.uid_mappings = range;
            }),
            "user namespaces enabled, but no gid mappings found");
  EXPECT_EQ(after([&](Spec& spec) { spec.linux_.uid_mappings = range; }),
            "user namespace mappings specified, but user namespace isn't enabled in the config");
  auto with = [&](std::vector<IdMapping> uids, std::string path) {
    return after([&](Spec& spec) {
      add_namespace(spec, NamespaceType::kUser, path);
      spec.linux_.uid_mappings = uids;
      spec.linux_.gid_mappings = uids;
    });
  };
  EXPECT_EQ(with(range, ""), "ok");
  EXPECT_EQ(with(range, "/proc/1/ns/user"), "ok");  // as Kubernetes' pods have it
  EXPECT_EQ(with({}, "/proc/1/ns/user"), "ok");
  EXPECT_NE(with({{0, 1, 0}}, ""), "ok");
  EXPECT_NE(with({{0, 4294967295, 1}}, ""), "ok");
  EXPECT_NE(with({{4294967290, 0, 6}}, ""), "ok");
  EXPECT_EQ(with({{0, 4294967294, 1}}, ""), "ok");
}

TEST(Check, TimeOffsets) {
  auto offsets = [](bool enabled, std::string clock, uint32_t nanosecs) {
    return after([&](Spec& spec) {
      if (enabled) add_namespace(spec, NamespaceType::kTime);
      spec.linux_.time_offsets[clock] = TimeOffset{.secs = 1, .nanosecs = nanosecs};
    });
  };
  EXPECT_EQ(offsets(true, "monotonic", 999999999), "ok");
  EXPECT_EQ(offsets(false, "monotonic", 0),
            "time namespace offsets specified, but time namespace isn't enabled in the config");
  EXPECT_NE(offsets(true, "realtime", 0), "ok");
  EXPECT_NE(offsets(true, "boottime", 1000000000), "ok");
}

TEST(Check, PathsDevicesAndWords) {
  EXPECT_NE(after([](Spec& spec) { spec.linux_.masked_paths.push_back("proc/x"); }), "ok");
  EXPECT_NE(after([](Spec& spec) { spec.linux_.readonly_paths.push_back(""); }), "ok");
  auto device = [](std::string type, std::string path, int64_t major) {
    return after([&](Spec& spec) {
      Device node;
      node.type = type;
      node.path = path;
      node.major = major;
      spec.linux_.devices = {node};
    });
  };
  EXPECT_EQ(device("c", "/dev/x", 1), "ok");
  EXPECT_EQ(device("p", "/dev/x", 0), "ok");
  EXPECT_NE(device("x", "/dev/x", 1), "ok");
  EXPECT_NE(device("c", "dev/x", 1), "ok");
  EXPECT_NE(device("c", "/dev/x", -1), "ok");
  EXPECT_EQ(after([](Spec& spec) { spec.linux_.rootfs_propagation = "rslave"; }), "ok");
  EXPECT_EQ(after([](Spec& spec) { spec.linux_.rootfs_propagation = "odd"; }),
            "rootfsPropagation=odd is not supported");
  EXPECT_NE(after([](Spec& spec) { spec.linux_.rootfs_propagation = "tmpcopyup"; }), "ok");
  EXPECT_NE(after([](Spec& spec) { spec.linux_.personality = Personality{"BSD", {}}; }), "ok");
}

TEST(Check, NamesTheUnsupported) {
  auto rdt = [](Spec& spec) { spec.linux_.has_intel_rdt = true; };
  EXPECT_EQ(code_after(rdt), Code::kUnsupported);
  EXPECT_TRUE(after(rdt).starts_with("linux.intelRdt: "));
  auto device = [](Spec& spec) { spec.linux_.net_devices["eth0"]; };
  EXPECT_EQ(code_after(device), Code::kUnsupported);
  EXPECT_TRUE(after(device).starts_with("linux.netDevices: "));
  auto memory = [](Spec& spec) { spec.linux_.memory_policy = MemoryPolicy{"MPOL_BIND", "0", {}}; };
  EXPECT_EQ(after(memory), "ok");
  auto mode = [](Spec& spec) { spec.linux_.memory_policy = MemoryPolicy{"MPOL_ODD", "0", {}}; };
  EXPECT_EQ(after(mode), "linux.memoryPolicy: invalid mode \"MPOL_ODD\"");
  auto flag = [](Spec& spec) { spec.linux_.memory_policy = MemoryPolicy{"MPOL_BIND", "0", {"MPOL_F_ODD"}}; };
  EXPECT_EQ(after(flag), "linux.memoryPolicy: invalid flag \"MPOL_F_ODD\"");
  auto nodes = [](Spec& spec) { spec.linux_.memory_policy = MemoryPolicy{"MPOL_BIND", "all", {}}; };
  EXPECT_TRUE(after(nodes).starts_with("linux.memoryPolicy: expected a list"));
  EXPECT_EQ(code_after([](Spec& spec) { spec.linux_.rootfs_propagation = "odd"; }), Code::kInvalid);
}

TEST(Check, Seccomp) {
  EXPECT_EQ(after_seccomp([](Seccomp&) {}), "ok");
  EXPECT_EQ(after_seccomp([](Seccomp& s) { s.default_action = ""; }),
            "linux.seccomp: string \"\" is not a valid action for seccomp");
  EXPECT_EQ(after_seccomp([](Seccomp& s) { s.syscalls[0].action = "ALLOW"; }),
            "linux.seccomp.syscalls[0]: string \"ALLOW\" is not a valid action for seccomp");
  EXPECT_NE(after_seccomp([](Seccomp& s) { s.syscalls[0].names.clear(); }), "ok");
  EXPECT_NE(after_seccomp([](Seccomp& s) { s.syscalls[0].names = {""}; }), "ok");
  EXPECT_NE(after_seccomp([](Seccomp& s) { s.architectures = {"X86"}; }), "ok");
  EXPECT_NE(after_seccomp([](Seccomp& s) { s.architectures = {"SCMP_ARCH_"}; }), "ok");
  EXPECT_NE(after_seccomp([](Seccomp& s) { s.flags = {"SECCOMP_FILTER_FLAG_NEW_LISTENER"}; }), "ok");
  EXPECT_EQ(after_seccomp([](Seccomp& s) { s.flags = {"SECCOMP_FILTER_FLAG_TSYNC"}; }), "ok");
  auto argument = [](uint32_t index, std::string op) {
    return after_seccomp([&](Seccomp& s) { s.syscalls[0].args = {SeccompArg{index, 1, 0, op}}; });
  };
  EXPECT_EQ(argument(5, "SCMP_CMP_EQ"), "ok");
  EXPECT_NE(argument(6, "SCMP_CMP_EQ"), "ok");
  EXPECT_NE(argument(0, "EQ"), "ok");
}

TEST(Check, SeccompErrno) {
  auto errno_of = [](std::string action, uint32_t value) {
    return after_seccomp([&](Seccomp& s) {
      s.syscalls[0].action = action;
      s.syscalls[0].errno_ret = value;
    });
  };
  EXPECT_EQ(errno_of("SCMP_ACT_ERRNO", 4095), "ok");
  EXPECT_NE(errno_of("SCMP_ACT_ERRNO", 4096), "ok");
  EXPECT_EQ(errno_of("SCMP_ACT_TRACE", 65535), "ok");
  EXPECT_NE(errno_of("SCMP_ACT_TRACE", 65536), "ok");
  EXPECT_NE(errno_of("SCMP_ACT_ALLOW", 1), "ok");
}

TEST(Check, SeccompNotify) {
  auto notify = [](std::string call, std::string path) {
    return after_seccomp([&](Seccomp& s) {
      s.syscalls[0].action = "SCMP_ACT_NOTIFY";
      s.syscalls[0].names = {call};
      s.listener_path = path;
    });
  };
  EXPECT_EQ(notify("mkdir", "/run/s"), "ok");
  EXPECT_NE(notify("mkdir", ""), "ok");
  EXPECT_NE(notify("mkdir", "run/s"), "ok");
  EXPECT_NE(notify("write", "/run/s"), "ok");
  EXPECT_EQ(after_seccomp([](Seccomp& s) { s.default_action = "SCMP_ACT_NOTIFY"; }),
            "linux.seccomp: SCMP_ACT_NOTIFY cannot be used as default action");
  EXPECT_NE(after_seccomp([](Seccomp& s) { s.listener_metadata = "x"; }), "ok");
}

TEST(Check, ResourcesNeverNameAnotherFile) {
  auto resources = [](const std::function<void(Resources&)>& change) {
    Resources value;
    change(value);
    Status status = check_resources(value);
    return status.ok() ? std::string("ok") : status.error().message();
  };
  for (const char* file : {"", ".", "..", "a/b", "/memory.max", "../cgroup.procs"}) {
    EXPECT_NE(resources([file](Resources& r) { r.unified = {{file, "1"}}; }), "ok") << file;
  }
  EXPECT_EQ(resources([](Resources& r) { r.unified = {{"memory.high", "1"}}; }), "ok");
  for (const char* size : {"", "2", "MB", "02MB", "2MB/../x", "2mb", "2TB", "../x"}) {
    EXPECT_NE(resources([size](Resources& r) { r.hugepage_limits = {{size, 1}}; }), "ok") << size;
  }
  EXPECT_EQ(resources([](Resources& r) { r.hugepage_limits = {{"64KB", 1}, {"1GB", 1}}; }), "ok");
  EXPECT_NE(resources([](Resources& r) { r.rdma["a b"]; }), "ok");
  EXPECT_NE(resources([](Resources& r) { r.network.emplace().priorities = {{"a\nb", 1}}; }), "ok");
  auto rule = [&resources](std::string type, std::string access, std::optional<int64_t> major) {
    return resources([&](Resources& r) {
      DeviceRule one;
      one.type = type;
      one.access = access;
      one.major = major;
      r.devices = {one};
    });
  };
  EXPECT_EQ(rule("a", "rwm", std::nullopt), "ok");
  EXPECT_EQ(rule("", "", 0), "ok");
  EXPECT_NE(rule("x", "r", std::nullopt), "ok");
  EXPECT_NE(rule("c", "rx", std::nullopt), "ok");
  EXPECT_NE(rule("c", "r", -2), "ok");
}

}  // namespace
}  // namespace gabion::oci
