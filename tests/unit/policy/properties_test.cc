// What must hold of harden() whatever goes in: over the specifications of real engines and over
// thousands of mutations of them, under every tier.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <set>

#include "oci/writer.h"
#include "policy/reader.h"
#include "support.h"

namespace gabion::policy::test {
namespace {

using json::Value;

// The JSON paths at which two documents differ, in the notation of Decision::path.
void differences(const Value* before, const Value* after, const std::string& path,
                 std::vector<std::string>& out) {
  if (before == nullptr || after == nullptr || before->kind() != after->kind()) {
    // A whole object that appears or goes is the sum of its members.
    const Value* only = before == nullptr ? after : before;
    if ((before == nullptr || after == nullptr) && only->is(Value::Kind::kObject) &&
        !only->members().empty()) {
      for (const auto& [key, value] : only->members()) {
        const std::string next = path.empty() ? key : path + "." + key;
        differences(before == nullptr ? nullptr : &value, after == nullptr ? nullptr : &value, next, out);
      }
      return;
    }
    out.push_back(path);
    return;
  }
  if (before->is(Value::Kind::kObject)) {
    std::set<std::string> keys;
    for (const auto& member : before->members()) keys.insert(member.first);
    for (const auto& member : after->members()) keys.insert(member.first);
    for (const std::string& key : keys) {
      differences(before->find(key), after->find(key), path.empty() ? key : path + "." + key, out);
    }
    return;
  }
  if (before->is(Value::Kind::kArray)) {
    if (before->items().size() != after->items().size()) {
      out.push_back(path);
      return;
    }
    for (size_t i = 0; i < before->items().size(); ++i) {
      differences(&before->items()[i], &after->items()[i], path + "[" + std::to_string(i) + "]", out);
    }
    return;
  }
  if (before->text() != after->text() || before->as_bool() != after->as_bool()) out.push_back(path);
}

bool is_prefix(const std::string& prefix, const std::string& path) {
  return path.starts_with(prefix) &&
         (path.size() == prefix.size() || path[prefix.size()] == '.' || path[prefix.size()] == '[');
}

bool explains(const Decision& decision, const std::string& path) {
  if (decision.outcome != Outcome::kTightened && decision.outcome != Outcome::kDropped) return false;
  // An element dropped from a list is named by its index, the difference by the list.
  return is_prefix(decision.path, path) || is_prefix(path, decision.path);
}

bool is_subset(const std::vector<std::string>& inner, const std::vector<std::string>& outer) {
  return std::all_of(inner.begin(), inner.end(),
                     [&](const std::string& item) { return contains(outer, item); });
}

void expect_not_wider(const oci::Spec& asked, const oci::Spec& got) {
  if (asked.process && got.process && asked.process->capabilities && got.process->capabilities) {
    const oci::Capabilities& before = *asked.process->capabilities;
    const oci::Capabilities& after = *got.process->capabilities;
    EXPECT_TRUE(is_subset(after.bounding, before.bounding));
    EXPECT_TRUE(is_subset(after.effective, before.effective));
    EXPECT_TRUE(is_subset(after.permitted, before.permitted));
    EXPECT_TRUE(is_subset(after.inheritable, before.inheritable));
    EXPECT_TRUE(is_subset(after.ambient, before.ambient));
  }
  if (asked.process && got.process) {
    EXPECT_GE(got.process->no_new_privileges, asked.process->no_new_privileges);
  }
  if (asked.root && got.root) {
    EXPECT_GE(got.root->readonly, asked.root->readonly);
  }
  for (const oci::Namespace& entry : got.linux_.namespaces) {
    const bool known = std::any_of(asked.linux_.namespaces.begin(), asked.linux_.namespaces.end(),
                                   [&](const oci::Namespace& other) { return other == entry; });
    EXPECT_TRUE(known || entry.path.empty()) << "joins " << entry.path << ", which nobody asked for";
  }
  for (const oci::Namespace& entry : asked.linux_.namespaces) {
    if (entry.type == oci::NamespaceType::kUser) continue;  // becomes a control
    const bool kept = std::any_of(got.linux_.namespaces.begin(), got.linux_.namespaces.end(),
                                  [&](const oci::Namespace& other) { return other.type == entry.type; });
    EXPECT_TRUE(kept) << "lost a namespace";
  }
  EXPECT_LE(got.mounts.size(), asked.mounts.size());
  for (const oci::Mount& mount : got.mounts) {
    const auto same = std::find_if(asked.mounts.begin(), asked.mounts.end(), [&](const oci::Mount& other) {
      return other.destination == mount.destination && other.source == mount.source &&
             other.type == mount.type;
    });
    ASSERT_NE(same, asked.mounts.end());
    for (const char* flag : {"ro", "rro", "nosuid", "nodev", "noexec", "rnosuid", "rnodev", "rnoexec"}) {
      EXPECT_TRUE(!contains(same->options, flag) || contains(mount.options, flag))
          << mount.destination << " lost " << flag;
    }
    for (const char* flag :
         {"rw", "rrw", "suid", "dev", "exec", "rsuid", "rdev", "rexec", "shared", "rshared"}) {
      EXPECT_TRUE(contains(same->options, flag) || !contains(mount.options, flag))
          << mount.destination << " got " << flag;
    }
  }
  EXPECT_TRUE(is_subset(asked.linux_.masked_paths, got.linux_.masked_paths));
  EXPECT_TRUE(is_subset(asked.linux_.readonly_paths, got.linux_.readonly_paths));
  if (asked.linux_.seccomp) {
    ASSERT_TRUE(got.linux_.seccomp.has_value());
    if (!asked.linux_.seccomp->architectures.empty()) {
      EXPECT_TRUE(contains(asked.linux_.seccomp->architectures, got.linux_.seccomp->architectures[0]) ||
                  got.linux_.seccomp->architectures == std::vector<std::string>{"SCMP_ARCH_X86_64"});
      EXPECT_LE(got.linux_.seccomp->architectures.size(), asked.linux_.seccomp->architectures.size());
    }
  }
  for (const auto& entry : got.linux_.sysctl) {
    EXPECT_NE(std::find(asked.linux_.sysctl.begin(), asked.linux_.sysctl.end(), entry),
              asked.linux_.sysctl.end());
  }
}

// True when the specification passed: the rest of the properties were looked at.
bool expect_properties(const oci::Spec& spec, const Policy& policy, const HostFacts& facts) {
  const auto verdict = harden(spec, policy, facts);
  if (const auto* refusal = std::get_if<Refusal>(&verdict)) {
    EXPECT_TRUE(std::any_of(refusal->decisions.begin(), refusal->decisions.end(),
                            [](const Decision& decision) { return decision.outcome == Outcome::kRefused; }));
    return false;
  }
  const auto& hardened = std::get<HardenedSpec>(verdict);
  expect_not_wider(spec, hardened.spec());

  std::vector<std::string> changed;
  const Value before = oci::write_spec(spec);
  const Value after = oci::write_spec(hardened.spec());
  differences(&before, &after, "", changed);
  for (const std::string& path : changed) {
    EXPECT_TRUE(std::any_of(hardened.decisions().begin(), hardened.decisions().end(),
                            [&](const Decision& decision) { return explains(decision, path); }))
        << path << " changed without a decision\n"
        << print(hardened.decisions());
  }

  const auto again = harden(hardened.spec(), policy, facts);
  if (const auto* refusal = std::get_if<Refusal>(&again)) {
    ADD_FAILURE() << "refused the second time: " << refusal_message(refusal->decisions);
    return true;
  }
  EXPECT_EQ(std::get<HardenedSpec>(again).spec(), hardened.spec());
  for (const Decision& decision : std::get<HardenedSpec>(again).decisions()) {
    EXPECT_TRUE(decision.outcome == Outcome::kKept || decision.outcome == Outcome::kWarned)
        << "changed again: " << decision.rule << " " << decision.path;
  }
  return true;
}

TEST(Properties, HoldForEveryEngineUnderEveryTier) {
  for (const std::string& name : kEngineSpecs) {
    const oci::Spec spec = engine_spec(name);
    for (const char* tier_name : {"development", "restricted", "maximum"}) {
      SCOPED_TRACE(name + " under " + tier_name);
      (void)expect_properties(spec, tier(tier_name), plausible_facts(spec));
    }
  }
}

TEST(Properties, PassthroughIsTheIdentity) {
  for (const std::string& name : kEngineSpecs) {
    const oci::Spec spec = engine_spec(name);
    const HardenedSpec hardened = must_pass(spec, *builtin_policy("passthrough"), {});
    EXPECT_EQ(hardened.spec(), spec);
    EXPECT_EQ(hardened.controls(), Controls{});
    EXPECT_TRUE(hardened.decisions().empty());
  }
}

TEST(Properties, AnEmptySpecIsHardenedToo) {
  for (const char* name : {"development", "restricted", "maximum"}) {
    Policy policy = tier(name);
    for (const Mode mode : {Mode::kRewrite, Mode::kRefuse, Mode::kWarn}) {
      policy.rules.fill(mode);
      (void)expect_properties({}, policy, plausible_facts({}));
    }
  }
}

// One random step away from a specification that makes sense.
using Mutation = std::function<void(oci::Spec&, HostFacts&, std::mt19937&)>;

template <typename T>
const T& pick(const std::vector<T>& from, std::mt19937& random) {
  return from[random() % from.size()];
}

void mutate_mount(oci::Spec& spec, HostFacts& facts, std::mt19937& random) {
  static const std::vector<std::string> kSources = {
      "/",     "/etc",     "/run/docker.sock", "/srv/x",  "/var/lib/docker", "/tmp/x", "/home/u/.ssh",
      "/proc", "/dev/sda", "relative",         "/missing"};
  static const std::vector<std::string> kTargets = {
      "/",    "/data", "/proc",        "/proc/sys", "/sys",           "/dev",    "/dev/null",
      "/run", "/var",  "/tmp/../proc", "x",         "/sys/fs/cgroup", "/dev/shm"};
  static const std::vector<std::string> kTypes = {"bind",   "tmpfs",   "proc", "sysfs", "overlay",
                                                  "cgroup", "cgroup2", "",     "none"};
  static const std::vector<std::string> kWords = {
      "ro",  "rw",  "exec",  "suid",  "dev",    "rbind",    "bind",  "shared",  "rshared",
      "rro", "rrw", "rsuid", "rexec", "size=0", "size=64m", "idmap", "remount", "nosuid"};
  oci::Mount mount;
  mount.type = pick(kTypes, random);
  mount.source = pick(kSources, random);
  mount.destination = pick(kTargets, random);
  for (size_t i = random() % 5; i > 0; --i) mount.options.push_back(pick(kWords, random));
  const auto kind = static_cast<SourceKind>(random() % 7);
  if (random() % 8 != 0)
    add_source(facts, mount.source, mount.source, kind, random() % 6 == 0 ? "proc" : "ext4");
  spec.mounts.push_back(std::move(mount));
}

void mutate_namespaces(oci::Spec& spec, HostFacts& facts, std::mt19937& random) {
  auto& all = spec.linux_.namespaces;
  if (!all.empty() && random() % 2 == 0) {
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(random() % all.size()));
    return;
  }
  const auto type = static_cast<oci::NamespaceType>(random() % 8);
  std::erase_if(all, [&](const oci::Namespace& entry) { return entry.type == type; });
  const std::string path = random() % 2 == 0 ? "/proc/1/ns/x" + std::to_string(static_cast<int>(type)) : "";
  if (!path.empty()) facts.namespaces[path] = {random() % 4 != 0, random() % 2 == 0};
  all.push_back({type, path});
}

void mutate_process(oci::Spec& spec, HostFacts&, std::mt19937& random) {
  if (!spec.process) return;
  oci::Process& process = *spec.process;
  switch (random() % 8) {
    case 0:
      process.capabilities.reset();
      break;
    case 1:
      process.capabilities.emplace().ambient = {"CAP_SYS_ADMIN", "CAP_CHOWN"};
      break;
    case 2:
      process.capabilities.emplace().bounding = {"CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_KILL",
                                                 "CAP_NO_SUCH"};
      break;
    case 3:
      process.rlimits = {{"RLIMIT_CORE", random() % 3, random() % 3}};
      break;
    case 4:
      process.cwd = "/proc/self/fd/7";
      break;
    case 5:
      process.oom_score_adj = -900;
      break;
    case 6:
      process.io_priority = oci::IoPriority{"IOPRIO_CLASS_RT", 0};
      break;
    default:
      process.scheduler.emplace().policy = "SCHED_FIFO";
      break;
  }
}

void mutate_linux(oci::Spec& spec, HostFacts&, std::mt19937& random) {
  oci::Linux& section = spec.linux_;
  switch (random() % 12) {
    case 0:
      section.sysctl.emplace_back("kernel.core_pattern", "|/x");
      break;
    case 1:
      section.sysctl.emplace_back("net.core.somaxconn", "1\n2");
      break;
    case 2:
      section.devices.push_back({"b", "/dev/sda", 8, 0, {}, {}, {}});
      break;
    case 3:
      section.resources.reset();
      break;
    case 4:
      section.resources.emplace().pids_limit = -1;
      break;
    case 5:
      section.resources.emplace().memory.emplace().disable_oom_killer = true;
      break;
    case 6:
      section.resources.emplace().unified = {
          {"cgroup.procs", "1"}, {"memory.max", "max"}, {"pids.max", "max"}};
      break;
    case 7:
      section.cgroups_path = "/a/../../b";
      break;
    case 8:
      section.rootfs_propagation = "rshared";
      break;
    case 9:
      section.masked_paths.clear();
      break;
    case 10:
      section.uid_mappings = section.gid_mappings = {{0, 0, 4294967295U}};
      break;
    default: {
      oci::Seccomp& filter = section.seccomp.emplace();
      filter.default_action = "SCMP_ACT_TRACE";
      filter.architectures = {"SCMP_ARCH_X86"};
      filter.flags = {"SECCOMP_FILTER_FLAG_SPEC_ALLOW"};
      filter.syscalls = {{{"mount"}, "SCMP_ACT_NOTIFY", {}, {}}};
      break;
    }
  }
}

void mutate_rest(oci::Spec& spec, HostFacts& facts, std::mt19937& random) {
  oci::Hook hook;
  switch (random() % 4) {
    case 0:
      spec.process.reset();
      break;
    case 1:
      spec.root = oci::Root{"/", false};
      break;
    case 2:
      spec.annotations.emplace_back("dev.gabion.tier", "passthrough");
      break;
    default:
      hook.path = "/proc/1/exe";
      hook.args = {"libnetwork-setkey", "-exec-root=/x", std::string(64, 'a'), "b"};
      hook.env = {"LD_PRELOAD=/x", "PATH=/bin"};
      facts.hooks[hook.path] = facts.hooks["/usr/sbin/dockerd"];
      (random() % 2 == 0 ? spec.hooks.prestart : spec.hooks.start_container).push_back(hook);
      break;
  }
}

TEST(Properties, HoldForMutatedSpecsInEveryMode) {
  std::mt19937 random(20240229);  // the same walk every time
  const std::vector<Mutation> mutations = {mutate_mount, mutate_namespaces, mutate_process, mutate_linux,
                                           mutate_rest};
  std::vector<oci::Spec> specs;
  for (const std::string& name : kEngineSpecs) specs.push_back(engine_spec(name));
  // The real filters' thousand names say nothing here and cost most of the time.
  for (oci::Spec& spec : specs) {
    if (spec.linux_.seccomp) spec.linux_.seccomp->syscalls.resize(1);
  }
  const std::vector<Policy> tiers = {tier("development"), tier("restricted"), tier("maximum")};
  constexpr int kRounds = 3000;
  int passed = 0;
  for (int round = 0; round < kRounds; ++round) {
    oci::Spec spec = pick(specs, random);
    HostFacts facts = plausible_facts(spec);
    for (size_t i = 1 + random() % 4; i > 0; --i) pick(mutations, random)(spec, facts, random);
    Policy policy = pick(tiers, random);
    if (round % 3 == 1) policy.rules.fill(Mode::kRewrite);
    if (round % 3 == 2) {
      for (Mode& mode : policy.rules) mode = static_cast<Mode>(random() % 3);
    }
    SCOPED_TRACE(round);
    passed += expect_properties(spec, policy, facts) ? 1 : 0;
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(passed, kRounds / 4) << "most mutations are refused: the properties were hardly tested";
}

}  // namespace
}  // namespace gabion::policy::test
