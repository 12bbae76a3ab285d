// The kernel's release, compared as numbers: "6.10" is newer than "6.9".
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gabion::node {

struct KernelVersion {
  uint32_t major = 0;
  uint32_t minor = 0;
  auto operator<=>(const KernelVersion&) const = default;
};

inline constexpr KernelVersion kOldestKernel{6, 1};

// "6.1.0-18-amd64" is 6.1; nullopt when it does not begin with two numbers.
std::optional<KernelVersion> parse_kernel_version(std::string_view release);

std::string kernel_release();  // uname(2)

}  // namespace gabion::node
