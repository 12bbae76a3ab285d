// What the processor and the kernel do for AES and SHA, from the texts of /proc/cpuinfo and /proc/crypto.
// Pure: no file is read here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gabion::node {

// Whether the first processor's "flags" (x86) or "Features" (arm64) have this word.
bool has_cpu_flag(std::string_view cpuinfo, std::string_view flag);

// The drivers whose algorithm is `algorithm`, or a mode of it ("xts(aes)"), best first.
std::vector<std::string> crypto_drivers(std::string_view crypto, std::string_view algorithm);

// Whether a driver is C code that uses no instruction of the processor for it: "aes-generic",
// "xts(ecb(aes-generic))", "aes-fixed-time".
bool is_generic_driver(std::string_view driver);

}  // namespace gabion::node
