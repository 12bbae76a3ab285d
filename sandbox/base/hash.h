// SHA-256 (FIPS 180-4), of our own: libcrypto costs a millisecond at every start (measured).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gabion {

class Sha256 {
 public:
  using Digest = std::array<uint8_t, 32>;

  Sha256();
  void update(std::string_view data);
  // Ends the message; the object then hashes a new one.
  [[nodiscard]] Digest finish();

  using State = std::array<uint32_t, 8>;

 private:
  State state_;
  std::array<uint8_t, 64> block_{};  // the part of a block not hashed yet
  uint64_t size_ = 0;                // bytes of the message so far
};

// Lower-case hexadecimal, 64 characters.
std::string hex(const Sha256::Digest& digest);
std::string sha256_hex(std::string_view data);

// From the descriptor's current position to its end; `name` is for messages. Bounded by nothing but
// the file: for regular files the caller trusts to end.
Result<std::string> sha256_fd(int fd, std::string_view name);

}  // namespace gabion
