// The configs engines really sent (tests/unit/oci/specs), as text.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "base/file.h"

namespace gabion::oci {

inline constexpr std::array<const char*, 6> kRealSpecs = {
    "config-ctr-default.json",        "config-docker-20.10-default.json", "config-docker-28.5-default.json",
    "config-podman-5.8-default.json", "config-cri2.3-container.json",     "config-cri2.3-sandbox.json"};

inline std::string real_spec(const std::string& name) {
  auto text = read_file(std::string(GABION_SOURCE_DIR "/tests/unit/oci/specs/") + name, size_t{1} << 20);
  EXPECT_TRUE(text.ok()) << name;
  return text.ok() ? *text : std::string();
}

}  // namespace gabion::oci
