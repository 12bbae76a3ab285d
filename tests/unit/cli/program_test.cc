// The program as a whole: a command line in, an exit code and two streams out. Runs in a child, so
// that a container root, a log and a policy are the test's own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "shim/cli/command.h"
#include "tests/support/scratch.h"

namespace gabion::cli {
namespace {

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
};

class ProgramTest : public testing::Test {
 protected:
  // With --root and --audit of the test's own.
  Outcome run(std::vector<std::string> words, const std::string& program = "gabion") {
    words.insert(words.begin(), {"/usr/bin/" + program, "--root", directory_ / "root", "--audit", audit_});
    return run_bare(words);
  }

  Outcome run_bare(const std::vector<std::string>& words) {
    std::vector<const char*> pointers;
    for (const std::string& word : words) pointers.push_back(word.c_str());
    const pid_t child = ::fork();
    if (child == 0) {
      if (::chdir(directory_.path().c_str()) != 0) ::_exit(99);
      const int out = ::open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
      const int err = ::open("err", O_WRONLY | O_CREAT | O_TRUNC, 0600);
      (void)::dup2(out, STDOUT_FILENO);
      (void)::dup2(err, STDERR_FILENO);
      ::_exit(run_program(pointers));
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            .out = read_file(directory_ / "out", 1 << 20).value(),
            .err = read_file(directory_ / "err", 1 << 20).value()};
  }

  void write(const std::string& name, std::string_view text) {
    ASSERT_TRUE(write_file_atomic(directory_ / name, text, 0600).ok());
  }

  const tests::Scratch directory_;
  std::string audit_ = "audit.jsonl";
};

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_F(ProgramTest, VersionReadsAsRuncsForTheParsersOfEngines) {
  for (const char* flag : {"--version", "-v", "-version"}) {
    const Outcome outcome = run_bare({"gabion", flag});
    EXPECT_EQ(outcome.code, 0);
    const std::vector<std::string_view> lines = split(outcome.out, '\n');
    ASSERT_GE(lines.size(), 4U);
    EXPECT_TRUE(lines[0].starts_with("runc version 1.")) << lines[0];
    EXPECT_TRUE(lines[1].starts_with("commit: "));
    EXPECT_TRUE(lines[2].starts_with("spec: 1."));
    EXPECT_EQ(lines[3], "gabion: " GABION_VERSION);
    // dockerd reads every line with this word in it as the version.
    for (size_t i = 1; i < lines.size(); ++i) EXPECT_FALSE(has(std::string(lines[i]), "version"));
    EXPECT_EQ(outcome.err, "");
  }
}

TEST_F(ProgramTest, EveryCommandHasHelpAndNamesItself) {
  const Outcome general = run_bare({"gabion"});
  EXPECT_EQ(general.code, 0);
  EXPECT_TRUE(general.out.starts_with("NAME:\n   gabion - Open Container Initiative runtime"));
  for (const Command* command : commands()) {
    EXPECT_TRUE(has(general.out, concat({"\n   ", command->name, " "}))) << command->name;
    for (const char* flag : {"-h", "--help"}) {
      const Outcome outcome = run_bare({"/usr/sbin/runc", command->name, flag});
      EXPECT_EQ(outcome.code, 0) << command->name;
      EXPECT_TRUE(outcome.out.starts_with(concat({"NAME:\n   runc ", command->name, " - "}))) << outcome.out;
      for (const Flag& listed : command->flags) {
        EXPECT_EQ(has(outcome.out, concat({"--", listed.name})), listed.help != nullptr) << listed.name;
      }
    }
  }
}

TEST_F(ProgramTest, NoTwoFlagsOfACommandShareANameOrALetter) {
  for (const Command* command : commands()) {
    std::vector<std::string> names;
    for (const Flag& flag : command->flags) {
      names.emplace_back(flag.name);
      if (flag.letter != 0) names.emplace_back(1, flag.letter);
      EXPECT_EQ(flag.kind == FlagKind::kSwitch, flag.value == nullptr) << command->name << " --" << flag.name;
    }
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end()) << command->name;
  }
}

TEST_F(ProgramTest, UsageErrors) {
  EXPECT_EQ(run({"foo", "-h"}).code, 3);
  EXPECT_TRUE(has(run({"foo", "-h"}).err, "No help topic for 'foo'"));
  for (const char* command :
       {"create", "run", "start", "state", "delete", "pause", "resume", "update", "events"}) {
    const Outcome outcome = run({command});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_TRUE(has(outcome.err, concat({"\\\"", command, "\\\" requires exactly 1 argument(s)"})))
        << outcome.err;
  }
  EXPECT_TRUE(has(run({"kill", "a", "9", "x"}).err, "requires a maximum of 2"));
  EXPECT_TRUE(has(run({"exec"}).err, "requires a minimum of 1"));
  EXPECT_TRUE(has(run({"state", "--zork", "x"}).err, "flag provided but not defined: -zork"));
  EXPECT_TRUE(has(run({"--zork"}).err, "flag provided but not defined: -zork"));
  EXPECT_TRUE(has(run({"--log-format", "xml", "list"}).err, "invalid log-format: xml"));
  EXPECT_TRUE(has(run({"list", "-f", "xml"}).err, "invalid format option"));
}

TEST_F(ProgramTest, AMissingContainerIsRuncsTextAndCode) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"state", "nope"},
                                                                                     {"start", "nope"},
                                                                                     {"kill", "nope"},
                                                                                     {"delete", "nope"},
                                                                                     {"pause", "nope"},
                                                                                     {"ps", "nope"}}) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 1) << words[0];
    EXPECT_TRUE(has(outcome.err, "container does not exist")) << words[0] << ": " << outcome.err;
    EXPECT_EQ(outcome.out, "") << words[0];
  }
  EXPECT_EQ(run({"delete", "--force", "nope"}).code, 0);
  const Outcome outcome = run({"exec", "nope", "true"});
  EXPECT_EQ(outcome.code, 255);
  EXPECT_TRUE(has(outcome.err, "\"exec failed: container does not exist\"")) << outcome.err;
}

TEST_F(ProgramTest, ErrorsReachTheLogAndThePerson) {
  const Outcome outcome = run({"--log", "log.json", "--log-format", "json", "state", "nope"});
  EXPECT_EQ(outcome.err, "container does not exist\n");
  const std::string log = read_file(directory_ / "log.json", 4096).value();
  EXPECT_TRUE(log.starts_with(R"({"level":"error","msg":"container does not exist","time":")")) << log;
}

TEST_F(ProgramTest, WhatIsNotSupportedSaysSo) {
  EXPECT_TRUE(has(run({"checkpoint", "--image-path", "d", "x"}).err, "not supported yet"));
  EXPECT_TRUE(has(run({"restore", "-no-subreaper", "--bundle", "b", "x"}).err, "not supported yet"));
  EXPECT_TRUE(has(run({"--rootless", "true", "list"}).err, "--rootless true"));
  EXPECT_TRUE(has(run({"--cgroup-manager", "zork", "list"}).err, "unknown manager"));
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"--systemd-cgroup", "run", "x"}, {"--cgroup-manager=systemd", "create", "x"}}) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_TRUE(has(outcome.err, "systemd are not supported")) << outcome.err;
  }
  // Engines put it before every command: those that place nothing in a cgroup answer as ever.
  EXPECT_EQ(run({"--systemd-cgroup", "delete", "--force", "nope"}).code, 0);
  EXPECT_EQ(run({"--rootless=auto", "--criu", "criu", "list"}).code, 0);
}

TEST_F(ProgramTest, SpecWritesOnceAndExplainReadsIt) {
  EXPECT_EQ(run({"spec"}).code, 0);
  const Outcome again = run({"spec"});
  EXPECT_EQ(again.code, 1);
  EXPECT_TRUE(has(again.err, "File config.json exists. Remove it first"));
  ASSERT_EQ(::mkdir((directory_ / "rootfs").c_str(), 0755), 0);
  const Outcome text = run({"explain", "."});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_TRUE(has(text.out, "capabilities.ceiling"));
  EXPECT_FALSE(has(text.out, "\033"));
  const Outcome document = run({"explain", "--format", "json"});
  const Result<json::Value> parsed = json::parse(document.out, "explain");
  ASSERT_TRUE(parsed.ok());
  EXPECT_FALSE(parsed->find("decisions")->items().empty());
  EXPECT_NE(parsed->find("hardened"), nullptr);
  EXPECT_FALSE(read_file(directory_ / audit_, 4096).ok()) << "explain wrote to the audit log";
}

TEST_F(ProgramTest, ABrokenPolicyStopsCreationAndNothingElse) {
  write("policy.json", R"({"extends": "restricted", "no-such-key": 1})");
  EXPECT_EQ(run({"policy", "check", "policy.json"}).code, 1);
  EXPECT_EQ(run({"spec"}).code, 0);
  const Outcome created = run({"--policy", "policy.json", "create", "x"});
  EXPECT_EQ(created.code, 1);
  EXPECT_TRUE(has(created.err, "no-such-key")) << created.err;
  EXPECT_EQ(run({"--policy", "policy.json", "delete", "--force", "x"}).code, 0);
  EXPECT_EQ(run({"--policy", "none.json", "create", "x"}).code, 1);
  EXPECT_EQ(run({"list", "-q"}).out, "");
}

TEST_F(ProgramTest, NoAuditLogNoStartButAStop) {
  ASSERT_EQ(::symlink("elsewhere", (directory_ / "audit.jsonl").c_str()), 0);
  EXPECT_EQ(run({"spec"}).code, 0);
  const Outcome created = run({"create", "x"});
  EXPECT_EQ(created.code, 1);
  EXPECT_TRUE(has(created.err, "audit log audit.jsonl: a symbolic link")) << created.err;
  const Outcome deleted = run({"delete", "--force", "x"});
  EXPECT_EQ(deleted.code, 0);
  EXPECT_TRUE(has(deleted.err, "level=warning"));
}

TEST_F(ProgramTest, ListAndFeaturesOnAnEmptyNode) {
  EXPECT_EQ(run({"list"}).out, "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
  EXPECT_EQ(run({"list", "--format=json"}).out, "[]\n");
  EXPECT_EQ(run({"list", "-q"}).out, "");
  const Outcome features = run_bare({"gabion", "features"});
  EXPECT_TRUE(json::parse(features.out, "features").ok());
  EXPECT_EQ(features.err, "");
}

TEST_F(ProgramTest, ABrokenOutputIsAnExitCode) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int full = ::open("/dev/full", O_WRONLY);
    const int null = ::open("/dev/null", O_WRONLY);
    (void)::dup2(full, STDOUT_FILENO);
    (void)::dup2(null, STDERR_FILENO);
    const char* words[] = {"gabion", "features"};
    ::_exit(run_program(words));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

}  // namespace
}  // namespace gabion::cli
