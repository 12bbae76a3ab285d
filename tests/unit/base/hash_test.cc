#include "base/hash.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/hash_block.h"

namespace gabion {
namespace {

constexpr const char* kMillion = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

// NIST's examples for FIPS 180-4.
TEST(Sha256, NistVectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
                       "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')), kMillion);
}

TEST(Sha256, PiecesMakeTheWhole) {
  const std::string message(1'000'000, 'a');
  for (size_t step : {1UL, 3UL, 63UL, 64UL, 65UL, 127UL, 4096UL}) {
    Sha256 hash;
    for (size_t at = 0; at < message.size(); at += step) {
      hash.update(std::string_view(message).substr(at, step));
    }
    EXPECT_EQ(hex(hash.finish()), kMillion) << step;
  }
}

TEST(Sha256, FinishStartsAnew) {
  Sha256 hash;
  hash.update("something else");
  (void)hash.finish();
  hash.update("abc");
  EXPECT_EQ(hex(hash.finish()), sha256_hex("abc"));
}

TEST(Sha256, NativeEqualsPortable) {
  std::vector<uint8_t> blocks(64 * 7);
  uint32_t seed = 1;
  for (uint8_t& byte : blocks) byte = static_cast<uint8_t>((seed = seed * 1664525 + 1013904223) >> 24);
  Sha256::State native = {1, 2, 3, 4, 5, 6, 7, 8};
  Sha256::State portable = native;
  if (!sha256_blocks_native(native, blocks.data(), 7)) GTEST_SKIP() << "no SHA extensions here";
  sha256_blocks_portable(portable, blocks.data(), 7);
  EXPECT_EQ(native, portable);
}

TEST(Sha256, LengthsAroundABlock) {
  // sha256sum of n times 'x'.
  EXPECT_EQ(sha256_hex(std::string(55, 'x')),
            "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
  EXPECT_EQ(sha256_hex(std::string(56, 'x')),
            "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
  EXPECT_EQ(sha256_hex(std::string(63, 'x')),
            "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2");
  EXPECT_EQ(sha256_hex(std::string(64, 'x')),
            "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
  EXPECT_EQ(sha256_hex(std::string(119, 'x')),
            "000b48d4edf0fa7bee3c6236ecd2785baa5db4eeb8bb54341b029e0d9fa5fb0c");
  EXPECT_EQ(sha256_hex(std::string(120, 'x')),
            "13f05a0b594787f5ecd315edc96141bd3243203d1b7d4f0836f37308b276ba98");
}

TEST(Sha256, Files) {
  char path[] = "/tmp/gabion-hash-XXXXXX";
  Fd file(::mkstemp(path));
  ASSERT_TRUE(file.valid());
  ASSERT_EQ(::unlink(path), 0);
  const std::string message(1'000'000, 'a');
  ASSERT_EQ(::write(file.get(), message.data(), message.size()), static_cast<ssize_t>(message.size()));
  ASSERT_EQ(::lseek(file.get(), 0, SEEK_SET), 0);
  EXPECT_EQ(sha256_fd(file.get(), "file").value(), kMillion);
  auto closed = sha256_fd(-1, "nothing");
  ASSERT_FALSE(closed.ok());
  EXPECT_EQ(closed.error().message(), "read nothing: bad file descriptor");
}

}  // namespace
}  // namespace gabion
