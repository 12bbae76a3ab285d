#include "audit/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "tests/support/scratch.h"

namespace gabion::audit {
namespace {

Record event(const std::string& name, const std::string& container = "c1") {
  Record record;
  record.event = name;
  record.outcome = "ok";
  record.container = container;
  return record;
}

// The records of a file, torn lines ("...!") left out. Any other line that is not JSON fails.
std::vector<json::Value> records(const std::string& path) {
  std::vector<json::Value> found;
  const Result<std::string> text = read_file(path, size_t{64} << 20);
  EXPECT_TRUE(text.ok());
  if (!text.ok()) return found;
  EXPECT_TRUE(text->empty() || text->ends_with('\n'));
  for (std::string_view line : split(text.value(), '\n')) {
    if (line.empty() || line.ends_with('!')) continue;
    Result<json::Value> value = json::parse(line, "line");
    EXPECT_TRUE(value.ok()) << line;
    if (value.ok()) found.push_back(std::move(value).value());
  }
  return found;
}

uint64_t seq(const json::Value& record) { return record.find("seq")->as_uint64().value(); }
std::string name(const json::Value& record) { return record.find("event")->text(); }

void write_text(const std::string& path, std::string_view text) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  ASSERT_TRUE(fd.valid());
  ASSERT_TRUE(write_all(fd.get(), text).ok());
}

TEST(Log, MakesAPrivateFileAndCountsOn) {
  const tests::Scratch scratch;
  const std::string path = scratch / "deep/er/audit.jsonl";
  {
    Result<Log> log = Log::open(path, scratch / "gaps");
    ASSERT_TRUE(log.ok()) << log.error().message();
    ASSERT_TRUE(log->append(event("container.create")).ok());
    ASSERT_TRUE(log->append(event("container.start")).ok());
  }
  Result<Log> again = Log::open(path, scratch / "gaps");
  ASSERT_TRUE(again.ok());
  ASSERT_TRUE(again->append(event("container.delete")).ok());
  const std::vector<json::Value> lines = records(path);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(seq(lines[0]), 1U);
  EXPECT_EQ(seq(lines[2]), 3U);
  EXPECT_EQ(name(lines[2]), "container.delete");
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  ASSERT_EQ(::stat((scratch / "deep/er").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700U);
}

TEST(Log, RefusesAFileOthersCouldHaveMade) {
  const tests::Scratch scratch;
  write_text(scratch / "real", "");
  ASSERT_EQ(::symlink("real", (scratch / "link").c_str()), 0);
  EXPECT_EQ(Log::open(scratch / "link").error().code, Code::kRefused);

  write_text(scratch / "open", "");
  ASSERT_EQ(::chmod((scratch / "open").c_str(), 0620), 0);
  EXPECT_NE(Log::open(scratch / "open").error().context.find("writable by group or others"),
            std::string::npos);

  write_text(scratch / "foreign", "");
  ASSERT_EQ(::chown((scratch / "foreign").c_str(), 1234, 0), 0);
  EXPECT_NE(Log::open(scratch / "foreign").error().context.find("not owned by root"), std::string::npos);

  ASSERT_EQ(::mkfifo((scratch / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(Log::open(scratch / "fifo").error().code, Code::kRefused);
}

TEST(Log, DisabledWritesNothing) { EXPECT_TRUE(Log::disabled().append(event("x")).ok()); }

TEST(Log, ClosesOffATornTail) {
  const tests::Scratch scratch;
  const std::string path = scratch / "audit.jsonl";
  Result<Log> log = Log::open(path, scratch / "gaps");
  ASSERT_TRUE(log.ok());
  ASSERT_TRUE(log->append(event("container.create")).ok());
  const size_t offset = read_file(path, 1 << 20)->size();
  const std::string torn = R"({"v":1,"event":"container.st)";
  write_text(path, torn);
  ASSERT_TRUE(log->append(event("container.delete")).ok());

  const std::vector<json::Value> lines = records(path);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(name(lines[1]), "audit.torn");
  EXPECT_EQ(lines[1].find("detail")->text(),
            concat({"offset ", std::to_string(offset), ", ", std::to_string(torn.size()), " bytes, sha256 ",
                    sha256_hex(torn)}));
  EXPECT_EQ(seq(lines[1]), 2U);
  EXPECT_EQ(seq(lines[2]), 3U);
  EXPECT_NE(read_file(path, 1 << 20)->find(torn + "!\n"), std::string::npos);
}

// Its append had failed, so it must not come back as a record.
TEST(Log, ATailThatLacksOnlyItsNewlineIsNotRevived) {
  const tests::Scratch scratch;
  const std::string path = scratch / "audit.jsonl";
  Result<Log> log = Log::open(path, scratch / "gaps");
  ASSERT_TRUE(log.ok());
  ASSERT_TRUE(log->append(event("container.create")).ok());
  std::string whole = format_line(event("container.start"), current_actor(), 900);
  whole.pop_back();
  write_text(path, whole);
  ASSERT_TRUE(log->append(event("container.delete")).ok());
  const std::vector<json::Value> lines = records(path);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(name(lines[1]), "audit.torn");
  EXPECT_EQ(seq(lines[2]), 3U);
}

TEST(Log, ATornFirstLineAndALongTornLine) {
  const tests::Scratch scratch;
  const std::string path = scratch / "audit.jsonl";
  write_text(path, R"({"v":1)");
  Result<Log> log = Log::open(path, scratch / "gaps");
  ASSERT_TRUE(log.ok());
  ASSERT_TRUE(log->append(event("container.create")).ok());
  write_text(path, std::string(60000, 'x'));
  ASSERT_TRUE(log->append(event("container.delete")).ok());
  const std::vector<json::Value> lines = records(path);
  ASSERT_EQ(lines.size(), 4U);
  for (size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(seq(lines[i]), i + 1);
}

TEST(Log, ACallersTextCannotForgeTheNumber) {
  const tests::Scratch scratch;
  const std::string path = scratch / "audit.jsonl";
  Result<Log> log = Log::open(path, scratch / "gaps");
  ASSERT_TRUE(log.ok());
  Record record = event("exec.start");
  record.detail = R"(x","seq":999999})";
  record.argv = {R"(,"seq":999999})", R"(\",\"seq\":5})"};
  ASSERT_TRUE(log->append(record).ok());
  ASSERT_TRUE(log->append(event("container.kill")).ok());
  EXPECT_EQ(seq(records(path)[1]), 2U);
}

TEST(Log, WillNotAppendToSomethingElse) {
  const tests::Scratch scratch;
  const std::string path = scratch / "notes.txt";
  write_text(path, "shopping list\n");
  Result<Log> log = Log::open(path, scratch / "gaps");
  ASSERT_TRUE(log.ok());
  const Status appended = log->append(event("container.create"));
  ASSERT_FALSE(appended.ok());
  EXPECT_NE(appended.error().message().find(path), std::string::npos);
  EXPECT_EQ(read_file(path, 1024).value(), "shopping list\n");
}

TEST(Log, FollowsARotation) {
  const tests::Scratch scratch;
  const std::string path = scratch / "audit.jsonl";
  Result<Log> log = Log::open(path, scratch / "gaps");
  ASSERT_TRUE(log.ok());
  ASSERT_TRUE(log->append(event("container.create")).ok());
  ASSERT_EQ(::rename(path.c_str(), (scratch / "audit.jsonl.1").c_str()), 0);
  ASSERT_TRUE(log->append(event("container.start")).ok());
  EXPECT_EQ(records(scratch / "audit.jsonl.1").size(), 1U);
  ASSERT_EQ(records(path).size(), 1U);
  EXPECT_EQ(name(records(path)[0]), "container.start");
}

TEST(Log, TheWaitForTheLockIsBounded) {
  const tests::Scratch scratch;
  const std::string path = scratch / "audit.jsonl";
  Result<Log> log = Log::open(path, scratch / "gaps");
  ASSERT_TRUE(log.ok());
  const Fd holder(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::flock(holder.get(), LOCK_EX), 0);
  const Status appended = log->append(event("container.create"));
  ASSERT_FALSE(appended.ok());
  EXPECT_EQ(appended.error().sys_errno, ETIMEDOUT);
  EXPECT_NE(appended.error().message().find(path), std::string::npos);
}

TEST(Log, AGapIsRecordedOnceTheLogWorksAgain) {
  const tests::Scratch scratch;
  const std::string path = scratch / "audit.jsonl";
  Log broken = Log::failed(path, make_error(Code::kSystem, "broken"), scratch / "gaps");
  EXPECT_FALSE(broken.append(event("container.kill", "victim")).ok());
  EXPECT_FALSE(broken.append(event("container.delete", "victim")).ok());
  Result<Log> log = Log::open(path, scratch / "gaps");
  ASSERT_TRUE(log.ok());
  ASSERT_TRUE(log->append(event("container.create")).ok());
  ASSERT_TRUE(log->append(event("container.start")).ok());
  const std::vector<json::Value> lines = records(path);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(name(lines[0]), "audit.gap");
  EXPECT_NE(lines[0].find("detail")->text().find("container.kill victim"), std::string::npos);
  EXPECT_NE(lines[0].find("detail")->text().find("container.delete victim"), std::string::npos);
}

TEST(Log, ConcurrentWritersKeepLinesWholeAndNumbersRising) {
  constexpr int kWriters = 8;
  constexpr int kLines = 500;
  const tests::Scratch scratch;
  const std::string path = scratch / "audit.jsonl";
  std::vector<pid_t> children;
  for (int writer = 0; writer < kWriters; ++writer) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Result<Log> log = Log::open(path, scratch / "gaps");
      bool good = log.ok();
      for (int i = 0; good && i < kLines; ++i) {
        Record record = event("exec.start", "c" + std::to_string(writer));
        record.detail = std::to_string(i) + std::string(static_cast<size_t>(i % 7) * 300, 'x');
        good = log->append(record).ok();
      }
      ::_exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  const std::vector<json::Value> lines = records(path);
  ASSERT_EQ(lines.size(), size_t{kWriters} * kLines);
  std::set<std::string> events;
  for (size_t i = 0; i < lines.size(); ++i) {
    ASSERT_EQ(seq(lines[i]), i + 1);
    events.insert(lines[i].find("container")->text() + "/" + lines[i].find("detail")->text());
  }
  EXPECT_EQ(events.size(), lines.size());
}

// In a mount namespace of its own: a tmpfs of 16 KiB, filled.
int full_disk_in_child(const std::string& directory) {
  if (::unshare(CLONE_NEWNS) != 0) return 10;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 11;
  if (::mount("tmpfs", directory.c_str(), "tmpfs", 0, "size=16k") != 0) return 12;
  const std::string path = directory + "/audit.jsonl";
  Result<Log> log = Log::open(path, directory + "-gaps");
  if (!log.ok() || !log->append(event("container.create")).ok()) return 13;
  {
    const Fd filler(::open((directory + "/filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const std::string page(4096, 'f');
    while (::write(filler.get(), page.data(), page.size()) > 0) {
    }
  }
  // The file's own last page still has room for some lines.
  Status appended = ok_status();
  int lines = 1;
  while (appended.ok() && lines < 1000) {
    appended = log->append(event("container.start"));
    if (appended.ok()) ++lines;
  }
  if (appended.ok()) return 14;
  const std::string text = appended.error().message();
  if (text.find(path) == std::string::npos || text.find("free space") == std::string::npos ||
      text.find("no space left on device") == std::string::npos) {
    return 15;
  }
  if (::unlink((directory + "/filler").c_str()) != 0) return 16;
  if (!log->append(event("container.delete")).ok()) return 17;
  const std::vector<json::Value> found = records(path);
  uint64_t last = 0;
  bool gap = false;
  for (const json::Value& record : found) {
    if (seq(record) <= last) return 18;
    last = seq(record);
    gap = gap || name(record) == "audit.gap";
  }
  if (!gap) return 19;
  return name(found.back()) == "container.delete" ? 0 : 20;
}

TEST(Log, AFullDiskIsAnErrorAndRecoversWhenThereIsRoom) {
  const tests::Scratch scratch;
  const std::string directory = scratch / "disk";
  ASSERT_EQ(::mkdir(directory.c_str(), 0700), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(full_disk_in_child(directory));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "step";
}

}  // namespace
}  // namespace gabion::audit
