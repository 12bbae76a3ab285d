// The hash that names a policy is base/hash.h's; this name for it is kept for callers of the policy.
#pragma once

#include "base/hash.h"

namespace gabion::policy {

using gabion::sha256_hex;

}  // namespace gabion::policy
