#include "base/hash.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/hash_block.h"

namespace gabion {

namespace {

// FIPS 180-4, 5.3.3.
constexpr Sha256::State kInitial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

}  // namespace

Sha256::Sha256() : state_(kInitial) {}

void Sha256::update(std::string_view data) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
  size_t left = data.size();
  size_t filled = size_ % block_.size();
  size_ += left;
  if (filled != 0) {
    size_t taken = std::min(left, block_.size() - filled);
    std::memcpy(block_.data() + filled, bytes, taken);
    bytes += taken;
    left -= taken;
    if (filled + taken < block_.size()) return;
    sha256_blocks(state_, block_.data(), 1);
  }
  size_t whole = left / block_.size();
  if (whole != 0) sha256_blocks(state_, bytes, whole);
  bytes += whole * block_.size();
  left -= whole * block_.size();
  if (left != 0) std::memcpy(block_.data(), bytes, left);
}

Sha256::Digest Sha256::finish() {
  // 5.1.1: a one bit, zeros, and the length in bits as the last eight bytes of a block.
  const uint64_t bits = size_ * 8;
  const size_t filled = size_ % block_.size();
  const size_t zeros = (filled < 56 ? 55 : 119) - filled;
  std::array<char, 128> tail{};
  tail[0] = static_cast<char>(0x80);
  for (size_t i = 0; i < 8; ++i) tail[1 + zeros + i] = static_cast<char>(bits >> (56 - 8 * i));
  update({tail.data(), 1 + zeros + 8});

  Digest digest{};
  for (size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
  }
  *this = Sha256();
  return digest;
}

std::string hex(const Sha256::Digest& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(digest.size() * 2);
  for (uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0xf];
  }
  return text;
}

std::string sha256_hex(std::string_view data) {
  Sha256 hash;
  hash.update(data);
  return hex(hash.finish());
}

Result<std::string> sha256_fd(int fd, std::string_view name) {
  Sha256 hash;
  std::array<char, 32768> buffer;  // not initialised: read(2) fills what is used
  while (true) {
    ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("read " + std::string(name));
    if (got == 0) return hex(hash.finish());
    hash.update({buffer.data(), static_cast<size_t>(got)});
  }
}

}  // namespace gabion
