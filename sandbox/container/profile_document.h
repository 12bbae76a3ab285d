// What a container called → a seccomp profile in the form that config.json's linux.seccomp, Docker's
// --security-opt seccomp= and a policy's seccompFilters share. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gabion::container {

// By the native architecture's number, true: it was called. Linux keeps its numbers below 1024; what is
// beyond belongs to another ABI, or to nobody.
inline constexpr size_t kCallNumbers = 1024;
using CallSet = std::array<bool, kCallNumbers>;

// In every profile, seen or not, and sorted: profile_document.cc says why for each.
std::vector<std::string_view> always_allowed();

// An allow-list of `calls` and of always_allowed(); everything else is EPERM. The same calls give the same
// text, with sorted names. A number that has no name in this build is not in it: a profile has no way to say
// it.
std::string profile_document(const CallSet& calls);
// Such numbers among `calls`, in order.
std::vector<size_t> calls_without_name(const CallSet& calls);

}  // namespace gabion::container
