// The cache of compiled filters: what it gives back, and what it does not believe.
#include "kernel/seccomp_cache.h"

#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "base/hash.h"
#include "base/path.h"

namespace gabion::kernel::seccomp {
namespace {

Filter filter_with(const std::string& name, uint32_t action = SECCOMP_RET_ERRNO | EPERM) {
  Filter filter;
  filter.default_action = SECCOMP_RET_ALLOW;
  filter.bad_arch_action = SECCOMP_RET_KILL_PROCESS;
  filter.rules.push_back({{name}, action, {}});
  return filter;
}

std::string bytes_of(const Program& program) {
  return {reinterpret_cast<const char*>(program.data()), program.size() * sizeof(sock_filter)};
}

// A whole, well-formed entry.
std::string entry(const Program& program) {
  Sha256 hash;
  hash.update(bytes_of(program));
  const Sha256::Digest digest = hash.finish();
  return std::string(reinterpret_cast<const char*>(digest.data()), digest.size()) + bytes_of(program);
}

class SeccompCache : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/gabion-cache-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    top_ = name;
    directory_ = top_ + "/a/filters";
  }
  void TearDown() override { EXPECT_TRUE(remove_tree(top_).ok()); }

  [[nodiscard]] std::string file(const Filter& filter) const { return directory_ + "/" + cache_key(filter); }
  [[nodiscard]] size_t files() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& found : std::filesystem::directory_iterator(directory_)) ++count;
    return count;
  }
  // What compile_cached() must give, byte for byte.
  void expect_compiled(const Filter& filter) const {
    const Result<Program> program = compile_cached(filter, nullptr, directory_);
    ASSERT_TRUE(program.ok()) << program.error().message();
    EXPECT_EQ(bytes_of(*program), bytes_of(*compile(filter)));
  }

  std::string top_;
  std::string directory_;
};

TEST_F(SeccompCache, KeepsWhatItCompiledForRootAlone) {
  const Filter filter = filter_with("mount");
  expect_compiled(filter);
  struct stat info {};
  ASSERT_EQ(::stat(file(filter).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  ASSERT_EQ(::stat(directory_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700U);
  EXPECT_EQ(*read_file(file(filter), 1 << 20), entry(*compile(filter)));
  expect_compiled(filter);
  EXPECT_EQ(files(), 1U);
}

TEST_F(SeccompCache, AHitIsNotCompiledAgain) {
  const Filter filter = filter_with("mount");
  expect_compiled(filter);
  const Program other = *compile(filter_with("reboot"));
  ASSERT_TRUE(write_file_atomic(file(filter), entry(other), 0600).ok());
  EXPECT_EQ(bytes_of(*compile_cached(filter, nullptr, directory_)), bytes_of(other));
}

TEST_F(SeccompCache, EveryPartOfAFilterIsInItsKey) {
  const Filter base = filter_with("mount");
  std::vector<Filter> others(8, base);
  others[0].default_action = SECCOMP_RET_LOG;
  others[1].bad_arch_action = SECCOMP_RET_ERRNO | ENOSYS;
  others[2].enosys_for_unknown = true;
  others[3].architectures.push_back(kArchX32);
  others[4].rules[0].names.emplace_back("reboot");
  others[5].rules[0].action = SECCOMP_RET_KILL_PROCESS;
  others[6].rules[0].conditions.push_back({1, Compare::kEqual, 7, 0});
  others[7].rules.push_back(base.rules[0]);
  for (const Filter& other : others) EXPECT_NE(cache_key(other), cache_key(base));
  Filter one = base;
  one.rules[0].names = {"mount", "reboot"};
  Filter joined = base;
  joined.rules[0].names = {"mountreboot"};
  EXPECT_NE(cache_key(one), cache_key(joined));
  Condition condition{1, Compare::kEqual, 7, 0};
  Filter first = base;
  first.rules[0].conditions = {condition};
  for (uint64_t* field : {&condition.value, &condition.value_two}) {
    *field += 1;
    Filter second = base;
    second.rules[0].conditions = {condition};
    EXPECT_NE(cache_key(first), cache_key(second));
    first = second;
  }
}

TEST_F(SeccompCache, WhatIsNotWholeIsCompiledAndReplaced) {
  const Filter filter = filter_with("mount");
  expect_compiled(filter);
  const std::string whole = *read_file(file(filter), 1 << 20);
  std::string flipped = whole;
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  const std::string no_code = entry({});
  for (const std::string& damaged :
       {std::string(), whole.substr(0, 32), whole.substr(0, whole.size() - 1),
        whole.substr(0, whole.size() - 8), flipped, no_code, whole + "x", std::string(1 << 20, 'x')}) {
    ASSERT_TRUE(write_file_atomic(file(filter), damaged, 0600).ok());
    expect_compiled(filter);
    EXPECT_EQ(*read_file(file(filter), 1 << 20), whole);
  }
}

TEST_F(SeccompCache, FollowsNoLinkAndUsesNoDirectoryOfOthers) {
  const Filter filter = filter_with("mount");
  const std::string planted = entry(*compile(filter_with("reboot")));
  ASSERT_TRUE(make_directories(directory_, 0700).ok());
  ASSERT_TRUE(write_file_atomic(top_ + "/planted", planted, 0600).ok());
  ASSERT_EQ(::symlink((top_ + "/planted").c_str(), file(filter).c_str()), 0);
  expect_compiled(filter);

  ASSERT_TRUE(write_file_atomic(file(filter), planted, 0600).ok());
  ASSERT_EQ(::chmod(directory_.c_str(), 0770), 0);
  expect_compiled(filter);
  ASSERT_EQ(::chmod(directory_.c_str(), 0700), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(directory_.c_str(), 1000, 0), 0);
    expect_compiled(filter);
    ASSERT_EQ(::chown(directory_.c_str(), 0, 0), 0);
  }
  const std::string link = top_ + "/link";
  ASSERT_EQ(::symlink(directory_.c_str(), link.c_str()), 0);
  EXPECT_EQ(bytes_of(*compile_cached(filter, nullptr, link)), bytes_of(*compile(filter)));
  EXPECT_EQ(bytes_of(*compile_cached(filter, nullptr, "/proc/none/such")), bytes_of(*compile(filter)));
}

TEST_F(SeccompCache, StaysSmall) {
  for (int i = 0; i < 200; ++i)
    expect_compiled(filter_with("mount", SECCOMP_RET_ERRNO | static_cast<uint32_t>(i + 1)));
  EXPECT_LE(files(), 66U);
  EXPECT_GE(files(), 1U);
}

TEST_F(SeccompCache, AnErrorIsNotKept) {
  Filter filter = filter_with("mount");
  filter.rules[0].conditions.push_back({9, Compare::kEqual, 0, 0});
  EXPECT_FALSE(compile_cached(filter, nullptr, directory_).ok());
  EXPECT_EQ(files(), 0U);
}

}  // namespace
}  // namespace gabion::kernel::seccomp
