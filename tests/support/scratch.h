// A directory of the test's own, removed with all it holds.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <string>
#include <string_view>

#include "base/file.h"
#include "base/path.h"

namespace gabion::tests {

class Scratch {
 public:
  Scratch() {
    char name[] = "/tmp/gabion-test-XXXXXX";
    if (::mkdtemp(name) != nullptr) path_ = name;
    EXPECT_FALSE(path_.empty());
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { EXPECT_TRUE(remove_tree(path_).ok()); }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const { return join_path(path_, name); }

  // A file of exactly this mode, whatever the umask; its path.
  std::string write(std::string_view name, std::string_view text, mode_t mode = 0644) const {
    const std::string path = *this / name;
    EXPECT_TRUE(write_file_atomic(path, text, mode).ok());
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }

 private:
  std::string path_;
};

}  // namespace gabion::tests
