// Policy files: what is accepted, and that every mistake is an error that names it.
#include "policy/reader.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"
#include "base/path.h"
#include "support.h"
#include "tests/support/scratch.h"

namespace gabion::policy::test {
namespace {

std::string error_of(const std::string& text) {
  const Result<Policy> policy = parse_policy(text, "p.json");
  EXPECT_FALSE(policy.ok()) << text;
  if (policy.ok()) return "";
  EXPECT_EQ(policy.error().code, Code::kInvalid);
  return policy.error().message();
}

TEST(Reader, EveryTierParsesAndIsItself) {
  for (const char* name : {"development", "restricted", "maximum", "passthrough"}) {
    const Result<Policy> policy = builtin_policy(name);
    ASSERT_TRUE(policy.ok()) << policy.error().message();
    EXPECT_EQ(policy->name, name);
    EXPECT_EQ(policy->sha256.size(), 64U);
    EXPECT_EQ(policy->enforce, std::string_view(name) != "passthrough");
  }
  const Result<Policy> none = builtin_policy("strict");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message().find("restricted"), std::string::npos);
}

TEST(Reader, Violations) {
  const Result<Policy> policy = parse_policy(
      R"({"extends": "restricted", "violations": {"mounts": "kill", "*": "log", "host": "off"}})", "p");
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  EXPECT_EQ(policy->violations.answer("mounts"), Answer::kKill);
  EXPECT_EQ(policy->violations.answer("bpf"), Answer::kLog);
  EXPECT_EQ(policy->violations.answer("host"), Answer::kOff);
  EXPECT_EQ(policy->violations.answer("no such kind"), Answer::kOff);
  EXPECT_FALSE(builtin_policy("restricted")->violations.any());
  EXPECT_EQ(builtin_policy("maximum")->violations.answer("tracing"), Answer::kLog);
  // A tier's answers stay where a file names others.
  EXPECT_EQ(parse_policy(R"({"extends": "maximum", "violations": {"keys": "freeze"}})", "p")
                ->violations.answer("tracing"),
            Answer::kLog);
  EXPECT_NE(error_of(R"({"extends": "restricted", "violations": {"mount": "log"}})").find("mounts"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"extends": "restricted", "violations": {"mounts": "stop"}})").find("freeze"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"extends": "restricted", "violations": true})").find("violations"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"extends": "restricted", "seccompProfile": "", "violations": {"*": "log"}})")
                .find("seccompProfile"),
            std::string::npos);
}

TEST(Reader, TiersGetStricterNeverLooser) {
  const Policy restricted = *builtin_policy("restricted");
  const Policy maximum = *builtin_policy("maximum");
  const Policy development = *builtin_policy("development");
  for (const std::string& path : restricted.masked_paths)
    EXPECT_TRUE(contains(maximum.masked_paths, path)) << path;
  for (const std::string& name : maximum.capabilities)
    EXPECT_TRUE(contains(restricted.capabilities, name)) << name;
  EXPECT_LE(maximum.pids, restricted.pids);
  EXPECT_FALSE(maximum.exec);
  EXPECT_TRUE(maximum.proc_subset_pid);
  for (size_t i = 0; i < kRuleCount; ++i) {
    const auto rule = static_cast<Rule>(i);
    if (rule == Rule::kAnnotationsIgnored) continue;
    EXPECT_NE(restricted.mode(rule), Mode::kWarn) << rule_name(rule);
    EXPECT_NE(maximum.mode(rule), Mode::kWarn) << rule_name(rule);
  }
  EXPECT_EQ(development.mode(Rule::kPrivileged), Mode::kRefuse);
  EXPECT_EQ(development.mode(Rule::kMountsEngineSocket), Mode::kRefuse);
  EXPECT_EQ(development.mode(Rule::kRootfsReadonly), Mode::kWarn);
  EXPECT_TRUE(development.user_namespace);
}

TEST(Reader, AFileExtendsATier) {
  const Result<Policy> policy = parse_policy(R"(
    // comments are fine
    {"extends": "restricted", "name": "web",
     "rules": {"process.oom_score": "warn", "*": "refuse"},
     "ids": {"base": 1000000, "count": 131072, "size": 1000},
     "capabilities": ["...", "CAP_NET_RAW"], "volatilePaths": ["/tmp"], "volatileSize": "1m", "tmpfsSize": 4096,
     "memory": 1073741824, "pids": 0, "exec": false})",
                                             "p.json");
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  const Policy base = *builtin_policy("restricted");
  EXPECT_EQ(policy->name, "web");
  EXPECT_NE(policy->sha256, base.sha256);
  EXPECT_EQ(policy->mode(Rule::kProcessOomScore), Mode::kWarn) << "\"*\" comes first wherever it stands";
  EXPECT_EQ(policy->mode(Rule::kRootfsReadonly), Mode::kRefuse);
  EXPECT_EQ(policy->ids, (IdRange{1000000, 131072, 1000}));
  EXPECT_EQ(policy->capabilities.size(), base.capabilities.size() + 1);
  EXPECT_EQ(policy->volatile_paths, std::vector<std::string>{"/tmp"});
  EXPECT_EQ(policy->volatile_size, 1U << 20);
  EXPECT_EQ(policy->tmpfs_size, 4096U);
  EXPECT_EQ(policy->memory, (MemorySize{1U << 30, 0}));
  EXPECT_EQ(policy->pids, 0U);
  EXPECT_FALSE(policy->exec);
  EXPECT_EQ(policy->masked_paths, base.masked_paths) << "what a file does not name stays the tier's";
}

TEST(Reader, TheHashCoversTheTierToo) {
  const std::string tail = R"(, "name": "same"})";
  const Policy left = *parse_policy(R"({"extends": "restricted")" + tail, "p");
  const Policy right = *parse_policy(R"({"extends": "maximum")" + tail, "p");
  EXPECT_NE(left.sha256, right.sha256);
  EXPECT_EQ(left.sha256, parse_policy(R"({"extends": "restricted")" + tail, "elsewhere")->sha256);
}

struct Mistake {
  const char* members;  // after "extends"
  const char* expected;
};

const Mistake kMistakes[] = {
    {R"("capabilites": [])", R"(did you mean "capabilities"?)"},
    {R"("colour": 1)", R"(p.json: unknown key "colour")"},
    {R"("capabilities": ["CAP_NET_RAV"])", R"(did you mean "CAP_NET_RAW"?)"},
    {R"("capabilities": "CAP_KILL")", "p.json: capabilities: expected"},
    {R"("capabilities": [1])", "p.json: capabilities[0]: expected"},
    {R"("capabilities": ["CAP_KILL", "..."])", "can only come first"},
    {R"("rules": {"capabilities.ceilin": "warn"})", R"(did you mean "capabilities.ceiling"?)"},
    {R"("rules": {"exception": "warn"})", "p.json: rules.exception: the rule has no mode"},
    {R"("rules": {"seccomp.pinned": "warn"})", "p.json: rules.seccomp.pinned: the rule has no mode"},
    {R"("rules": {"seccomp.pined": "warn"})", R"(unknown rule "seccomp.pined")"},
    {R"("seccompProfile": "nope")", R"(p.json: seccompProfile: unknown built-in profile "nope")"},
    {R"("seccompProfile": "defaults")", R"(did you mean "default"?)"},
    {R"("enforce": false)", "p.json: enforce: false would switch off"},
    {R"("enforce": false, "violations": {"*": "kill"})", "p.json: enforce: false would switch off"},
    {R"("rules": {"rootfs.readonly": "ignore"})",
     R"(rules.rootfs.readonly: expected "rewrite", "refuse" or "warn")"},
    {R"("rules": {"*": true})", "rules.*"},
    {R"("rules": [])", "p.json: rules: expected"},
    {R"("userNamespace": "yes")", "p.json: userNamespace"},
    {R"("ids": {"base": 0})", "p.json: ids.base"},
    {R"("ids": {"base": 4294967000, "count": 65536})", "must stay below 4294967295"},
    {R"("ids": {"count": 10, "size": 20})", "no room"},
    {R"("ids": {"base": 1.5})", "p.json: ids.base"},
    {R"("memory": "0%")", "p.json: memory"},
    {R"("memory": "101%")", "p.json: memory"},
    {R"("memory": "lots")", "p.json: memory"},
    {R"("memory": -1)", "p.json: memory"},
    {R"("volatileSize": "-1m")", "p.json: volatileSize"},
    {R"("pids": 4194305)", "p.json: pids"},
    {R"("pids": 18446744073709551616)", "p.json: pids"},
    {R"("volatilePaths": ["tmp"])", "not a clean absolute path"},
    {R"("allowedHostPaths": ["/srv/../etc"])", "not a clean absolute path"},
    {R"("joinNamespaces": ["net"])", "unknown type of namespace"},
    {R"("devices": [{"path": "/dev/fuse", "type": "c", "major": 10}])", R"("minor" is missing)"},
    {R"("devices": [{"path": "/dev/fuse", "type": "p", "major": 10, "minor": 1}])", "devices[0].type"},
    {R"("hooks": [{"args": ["x"]}])", R"("paths" is missing)"},
    {R"("hooks": [{"paths": ["/x"], "sha256": "ABC"}])", "64 lower-case"},
    {R"("hooks": [{"paths": ["/x"], "kinds": ["preStart"]}])", R"(did you mean "prestart"?)"},
    {R"("exceptions": [{"name": "a", "reason": "b"}])", R"("match" is missing)"},
    {R"("exceptions": [{"name": "a", "reason": "b", "match": {}}])", "must match on something"},
    {R"("exceptions": [{"name": "a", "reason": "b", "match": {"engine": "cri"}},
                       {"name": "a", "reason": "c", "match": {"engine": "docker"}}])",
     "another exception"},
    {R"("exceptions": [{"name": "a", "match": {"engine": "docker"}}])", R"("reason" is missing)"},
    {R"("exceptions": [{"name": "a", "reason": "b", "match": {"image": "x"}}])", "unknown key"},
    {R"("exceptions": [{"name": "a", "reason": "b", "match": {"engine": "cri"}, "rules": {"*": "warn"}}])",
     "unknown rule"},
    {R"("name": 5)", "p.json: name"},
    {R"("pids": 1, "pids": 2)", "pids"},
};

TEST(Reader, MistakesAreNamed) {
  for (const Mistake& mistake : kMistakes) {
    const std::string message =
        error_of(R"({"extends": "restricted", )" + std::string(mistake.members) + "}");
    EXPECT_NE(message.find(mistake.expected), std::string::npos) << mistake.members << "\n  " << message;
  }
}

// A control that was asked for and is not in force is worse than an error.
TEST(Reader, NothingCanBeAskedOfAPolicyThatEnforcesNothing) {
  for (const char* members :
       {R"("landlock": true)", R"("memoryDenyWriteExecute": true)",
        R"("seccompProfile": "default", "violations": {"*": "kill"})", R"("exec": false)",
        R"("rules": {"*": "refuse"})", R"("capabilities": [])",
        R"("exceptions": [{"name": "a", "reason": "b", "match": {"engine": "cri"}}])"}) {
    const std::string message = error_of(R"({"extends": "passthrough", )" + std::string(members) + "}");
    const std::string_view key = std::string_view(members).substr(1, std::string_view(members).find(':') - 2);
    EXPECT_NE(message.find("p.json: " + std::string(key) + ": nothing is applied"), std::string::npos)
        << message;
  }
  EXPECT_TRUE(parse_policy(R"({"extends": "passthrough", "name": "suite", "enforce": false})", "p").ok());
  EXPECT_TRUE(
      parse_policy(R"({"extends": "passthrough", "enforce": true, "landlock": true})", "p")->landlock);
  EXPECT_TRUE(parse_policy(R"({"extends": "restricted", "enforce": true})", "p").ok());
}

TEST(Reader, AFileThatIsNoPolicyIsAnError) {
  for (const char* text : {"", "[]", "null", "{", "{\"extends\": \"restricted\"} x",
                           "{\"extends\": \"strict\"}", "{\"extends\": 1}", "{\"pids\": 1}"}) {
    (void)error_of(text);
  }
  EXPECT_NE(error_of("{\"pids\": 1}").find("\"extends\" is missing"), std::string::npos);
  (void)error_of(std::string(100000, '['));
}

class PolicyFile : public testing::Test {
 protected:
  void SetUp() override { write(R"({"extends": "restricted", "name": "here"})"); }
  void write(const std::string& text) { ASSERT_TRUE(write_file_atomic(path(), text, 0644).ok()); }
  [[nodiscard]] std::string path(const char* name = "policy.json") const { return directory_ / name; }
  static std::string refused(const std::string& path) {
    const Result<Policy> policy = load_policy(path);
    EXPECT_FALSE(policy.ok());
    return policy.ok() ? "" : policy.error().message();
  }
  const tests::Scratch directory_;
};

TEST_F(PolicyFile, IsReadWhenItIsRootsAlone) {
  if (::geteuid() != 0) GTEST_SKIP() << "a policy file belongs to root";
  const Result<Policy> policy = load_policy(path());
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  EXPECT_EQ(policy->name, "here");
}

TEST_F(PolicyFile, IsRefusedWhenOthersCanWriteIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  for (const mode_t mode : {0664, 0646}) {
    ASSERT_EQ(::chmod(path().c_str(), mode), 0);
    EXPECT_NE(refused(path()).find("writable by root alone"), std::string::npos);
  }
  ASSERT_EQ(::chmod(path().c_str(), 0644), 0);
  ASSERT_EQ(::chown(path().c_str(), 1000, 0), 0);
  EXPECT_NE(refused(path()).find("must belong to root"), std::string::npos);
}

TEST_F(PolicyFile, IsRefusedWhenItIsNoPlainFile) {
  ASSERT_EQ(::symlink("policy.json", path("link").c_str()), 0);
  (void)refused(path("link"));
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_NE(refused(path("fifo")).find("regular file"), std::string::npos);
  (void)refused(directory_.path());
  const Result<Policy> missing = load_policy(path("none"));
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Code::kNotFound);
}

// Where nobody named the file, nobody answers for what is above it.
TEST_F(PolicyFile, TheNodesOwnIsInDirectoriesOfRootsAlone) {
  if (::geteuid() != 0) GTEST_SKIP() << "a policy file belongs to root";
  char name[] = "/run/gabion-policy-test.XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  const std::string directory = name;
  const std::string file = directory + "/policy.json";
  ASSERT_TRUE(write_file_atomic(file, R"({"extends": "restricted", "name": "here"})", 0644).ok());
  ASSERT_EQ(::symlink(directory_.path().c_str(), (directory + "/link").c_str()), 0);
  const Result<Policy> trusted = default_policy(file);
  const Result<Policy> elsewhere = default_policy(directory + "/link/policy.json");
  EXPECT_EQ(default_policy(directory + "/none")->name, "restricted");
  for (const mode_t mode : {0770, 0702}) {
    EXPECT_EQ(::chmod(directory.c_str(), mode), 0);
    const Result<Policy> open = default_policy(file);
    ASSERT_FALSE(open.ok());
    EXPECT_NE(open.error().message().find("a directory above it is not root's alone"), std::string::npos);
    EXPECT_TRUE(load_policy(file).ok()) << "one that was named";
  }
  EXPECT_TRUE(remove_tree(directory).ok());
  ASSERT_TRUE(trusted.ok()) << trusted.error().message();
  EXPECT_EQ(trusted->name, "here");
  EXPECT_FALSE(elsewhere.ok()) << "the scratch directory is below one that everybody writes";
}

TEST_F(PolicyFile, IsRefusedWhenItIsTooLarge) {
  if (::geteuid() != 0) GTEST_SKIP() << "a policy file belongs to root";
  write(R"({"extends": "restricted"})" + std::string(1U << 20, ' '));
  (void)refused(path());
}

}  // namespace
}  // namespace gabion::policy::test
