#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"
#include "base/json.h"
#include "shim/cli/output.h"
#include "tests/support/scratch.h"

namespace gabion::cli {
namespace {

class JournalTest : public testing::Test {
 protected:
  const tests::Scratch directory_;
};

// What `work` puts on the standard error.
template <typename Work>
std::string standard_error_of(const std::string& directory, Work work) {
  const std::string path = directory + "/stderr";
  const int saved = ::dup(STDERR_FILENO);
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  (void)::dup2(file, STDERR_FILENO);
  work();
  (void)::dup2(saved, STDERR_FILENO);
  ::close(file);
  ::close(saved);
  return read_file(path, 1 << 20).value();
}

TEST_F(JournalTest, WithoutAFileRuncsTextGoesToStandardError) {
  const std::string text = standard_error_of(directory_.path(), [] { Journal().error("say \"no\"\x1b[2J"); });
  ASSERT_EQ(text.size(),
            std::string(R"(time="2026-01-02T03:04:05Z" level=error msg="say \"no\"\\x1b[2J")").size() + 1);
  EXPECT_TRUE(text.starts_with("time=\"20"));
  EXPECT_TRUE(text.ends_with(R"(Z" level=error msg="say \"no\"\\x1b[2J")"
                             "\n"))
      << text;
}

TEST_F(JournalTest, AJsonFileGetsLinesAndPeopleThePlainText) {
  const std::string path = directory_ / "log.json";
  const std::string shown = standard_error_of(directory_.path(), [&path] {
    const Result<Journal> journal = Journal::open(path, LogFormat::kJson, true);
    ASSERT_TRUE(journal.ok());
    journal->debug("step");
    journal->error("container does not exist");
  });
  EXPECT_EQ(shown, "container does not exist\n");
  const std::string text = read_file(path, 1 << 20).value();
  const size_t newline = text.find('\n');
  const Result<json::Value> first = json::parse(text.substr(0, newline), "line");
  const Result<json::Value> second = json::parse(text.substr(newline + 1), "line");
  ASSERT_TRUE(first.ok() && second.ok()) << text;
  EXPECT_EQ(first->find("level")->text(), "debug");
  EXPECT_EQ(second->find("level")->text(), "error");
  EXPECT_EQ(second->find("msg")->text(), "container does not exist");
  EXPECT_EQ(second->find("time")->text().size(), 20U);
}

TEST_F(JournalTest, DebugLinesOnlyWhenAsked) {
  const std::string shown = standard_error_of(directory_.path(), [] { Journal().debug("step"); });
  EXPECT_EQ(shown, "");
}

TEST_F(JournalTest, AFifoNobodyReadsIsNotWaitedFor) {
  const std::string path = directory_ / "fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const Result<Journal> unread = Journal::open(path, LogFormat::kJson, false);
  ASSERT_TRUE(unread.ok());
  const std::string shown = standard_error_of(directory_.path(), [&unread] { unread->error("lost?"); });
  EXPECT_NE(shown.find("lost?"), std::string::npos);  // it went to the standard error instead

  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  const Result<Journal> journal = Journal::open(path, LogFormat::kJson, false);
  ASSERT_TRUE(journal.ok());
  (void)standard_error_of(directory_.path(), [&journal] { journal->error("heard"); });
  char text[256] = {};
  EXPECT_GT(::read(reader, text, sizeof(text) - 1), 0);
  EXPECT_NE(std::string(text).find("\"msg\":\"heard\""), std::string::npos);
  ::close(reader);
}

TEST_F(JournalTest, AnImpossibleFileIsAnError) {
  EXPECT_FALSE(Journal::open(directory_ / "none/log", LogFormat::kText, false).ok());
}

}  // namespace
}  // namespace gabion::cli
