// What the build puts into the binary: the tiers of profiles/*.policy.json, and which seccomp profiles there
// are.
#pragma once

#include <span>
#include <string_view>

namespace gabion::policy {

// The text of profiles/<name>.policy.json; empty when there is no such tier.
std::string_view tier_text(std::string_view name);

// The names of profiles/seccomp/<name>.json. Their programs are the kernel layer's (builtin_profile()).
std::span<const std::string_view> seccomp_profiles();

}  // namespace gabion::policy
