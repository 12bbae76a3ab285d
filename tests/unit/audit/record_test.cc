#include "audit/record.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "audit/boot.h"

namespace gabion::audit {
namespace {

Actor some_actor() {
  return Actor{.uid = 0,
               .login_uid = 1000,
               .pid = 42,
               .exe = "/usr/bin/containerd-shim",
               .parents = {{7, "dockerd"}, {1, "init"}}};
}

Record some_record() {
  Record record;
  record.event = "container.create";
  record.outcome = "allow";
  record.container = "c1";
  record.bundle = "/b";
  record.config_sha256 = "aa";
  record.policy = "restricted";
  record.policy_sha256 = "bb";
  record.argv = {"sh", "-c", "echo \"x\""};
  record.decisions = {{.rule = "rootfs.readonly",
                       .path = "root.readonly",
                       .before = "false",
                       .after = "true",
                       .outcome = policy::Outcome::kTightened,
                       .reason = "drift"}};
  return record;
}

// The three fields that differ from run to run.
void mask(std::string& line, std::string_view key, std::string_view end) {
  const size_t start = line.find(key);
  ASSERT_NE(start, std::string::npos) << key;
  const size_t value = start + key.size();
  const size_t stop = line.find(end, value);
  ASSERT_NE(stop, std::string::npos);
  line.replace(value, stop - value, "*");
}

TEST(Record, GoldenLine) {
  std::string line = format_line(some_record(), some_actor(), 17);
  mask(line, "\"ts\":\"", "\"");
  mask(line, "\"boottime_ns\":", ",");
  mask(line, "\"boot_id\":\"", "\"");
  EXPECT_EQ(
      line,
      R"({"v":1,"ts":"*","boottime_ns":*,"boot_id":"*","event":"container.create","outcome":"allow",)"
      R"("container":"c1","bundle":"/b","config_sha256":"aa","policy":{"name":"restricted","sha256":"bb"},)"
      R"("argv":["sh","-c","echo \"x\""],"decisions":[{"rule":"rootfs.readonly","path":"root.readonly",)"
      R"("before":"false","after":"true","outcome":"tightened","reason":"drift"}],)"
      R"("actor":{"uid":0,"loginuid":1000,"pid":42,"exe":"/usr/bin/containerd-shim",)"
      R"("parents":[{"pid":7,"comm":"dockerd"},{"pid":1,"comm":"init"}]},"runtime":"gabion )" GABION_VERSION
      R"(","seq":17})"
      "\n");
}

TEST(Record, AViolationSaysNothingOfACallerThatIsUnknown) {
  Record record = some_record();
  record.violation = Violation{};
  record.violation->syscall = "mount";
  const json::Value unknown = write_record(record, some_actor(), 1);
  EXPECT_NE(unknown.find("violation")->find("syscall"), nullptr);
  for (const char* key : {"pid", "uid", "exe"})
    EXPECT_EQ(unknown.find("violation")->find(key), nullptr) << key;
  record.violation->pid = 7;
  record.violation->uid = 0;
  const json::Value known = write_record(record, some_actor(), 1);
  EXPECT_EQ(known.find("violation")->find("pid")->as_uint64().value(), 7U);
  EXPECT_EQ(known.find("violation")->find("uid")->as_uint64().value(), 0U);
}

TEST(Record, TheProgramOfAViolationIsCut) {
  Record record = some_record();
  record.violation = Violation{};
  record.violation->exe = std::string(4000, '\x01');
  const json::Value line = write_record(record, some_actor(), 1);
  EXPECT_EQ(line.find("violation")->find("exe")->text(), std::string(256, '\x01') + "...(3744 more bytes)");
  EXPECT_LT(format_line(record, some_actor(), 1).size(), 3000U);
}

TEST(Record, TimeIsUtcAndBootTimeNeverGoesBack) {
  const json::Value first = write_record(some_record(), some_actor(), 1);
  const json::Value second = write_record(some_record(), some_actor(), 2);
  EXPECT_TRUE(first.find("ts")->text().ends_with("Z"));
  EXPECT_LE(first.find("boottime_ns")->as_uint64().value(), second.find("boottime_ns")->as_uint64().value());
  EXPECT_EQ(boot_id().size(), 36U);
}

TEST(Record, BytesThatAreNotUtf8StayReadable) {
  Record record = some_record();
  record.argv = {
      "a\xff"
      "b",
      std::string("n\0l", 3), "caf\xc3\xa9"};
  const std::string line = format_line(record, some_actor(), 1);
  const Result<json::Value> read = json::parse(line, "line");
  ASSERT_TRUE(read.ok()) << read.error().message();
  const auto& argv = read->find("argv")->items();
  EXPECT_EQ(argv[0].text(), "a\\xffb");
  EXPECT_EQ(argv[1].text(), "n\\x00l");
  EXPECT_EQ(argv[2].text(), "caf\xc3\xa9");
}

TEST(Record, LineIsBoundedAndSaysWhatWasLeftOut) {
  Record record = some_record();
  record.argv.assign(5000, std::string(3000, '\x01'));
  record.decisions.assign(3000, policy::Decision{.rule = std::string(5000, '"'),
                                                 .path = "p",
                                                 .before = std::string(9000, 'b'),
                                                 .after = "",
                                                 .outcome = policy::Outcome::kRefused,
                                                 .reason = "r"});
  record.detail = std::string(1 << 20, '\xfe');
  Actor actor = some_actor();
  actor.exe = std::string(100000, '\x02');
  const std::string line = format_line(record, actor, 5);
  EXPECT_LE(line.size(), kMaxLine);
  const Result<json::Value> read = json::parse(line, "line");
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(read->find("argv")->items().size() + read->find("argv_omitted")->as_uint64().value(), 5000U);
  EXPECT_EQ(read->find("decisions")->items().size() + read->find("decisions_omitted")->as_uint64().value(),
            3000U);
  EXPECT_EQ(read->find("event")->text(), "container.create");
  EXPECT_EQ(read->find("seq")->as_uint64().value(), 5U);
}

TEST(Record, AtTheLimitNothingIsCut) {
  Record record;
  record.event = "container.create";
  const size_t base = format_line(record, some_actor(), 1).size();
  // The clock's digits may grow by one between two lines.
  record.detail = std::string(kMaxLine - base - 32, 'x');
  const Result<json::Value> read = json::parse(format_line(record, some_actor(), 1), "line");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->find("detail")->text(), record.detail);
}

TEST(Actor, IsTheCaller) {
  const Actor actor = current_actor();
  EXPECT_EQ(actor.pid, ::getppid());
  EXPECT_EQ(actor.uid, ::getuid());
  EXPECT_LE(actor.parents.size(), 8U);
  for (const auto& [pid, name] : actor.parents) {
    EXPECT_GT(pid, 0);
    EXPECT_NE(pid, ::getppid());
    EXPECT_FALSE(name.empty());
  }
}

}  // namespace
}  // namespace gabion::audit
