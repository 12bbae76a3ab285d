// SHA-256 (FIPS 180-4) of a text: what names a policy in the audit log. Written out because
// libcrypto costs 1 ms at every start.
#pragma once

#include <string>
#include <string_view>

namespace gabion::policy {

// 64 lower-case hex digits.
std::string sha256_hex(std::string_view data);

}  // namespace gabion::policy
