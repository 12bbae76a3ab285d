// The tiers of profiles/*.policy.json, which the build puts into the binary.
#pragma once

#include <string_view>

namespace gabion::policy {

// The text of profiles/<name>.policy.json; empty when there is no such tier.
std::string_view tier_text(std::string_view name);

}  // namespace gabion::policy
