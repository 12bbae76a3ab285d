// A directory of the test's own, removed with all it holds.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/path.h"

namespace gabion::audit {

class Scratch {
 public:
  Scratch() {
    char name[] = "/tmp/gabion-audit-XXXXXX";
    const char* made = ::mkdtemp(name);
    EXPECT_NE(made, nullptr);
    path_ = made != nullptr ? made : "";
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { EXPECT_TRUE(remove_tree(path_).ok()); }
  [[nodiscard]] std::string operator/(const char* name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace gabion::audit
