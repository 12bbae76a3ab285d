// The compression function under Sha256, in portable C++ and with the processor's instructions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/hash.h"

namespace gabion {

// Hashes `count` blocks of 64 bytes into `state` with the fastest implementation there is.
void sha256_blocks(Sha256::State& state, const uint8_t* blocks, size_t count);

// Both compute the same; apart for the tests.
void sha256_blocks_portable(Sha256::State& state, const uint8_t* blocks, size_t count);
// false, and nothing done, where the processor has no SHA extensions.
bool sha256_blocks_native(Sha256::State& state, const uint8_t* blocks, size_t count);

}  // namespace gabion
