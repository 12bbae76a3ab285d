#include "node/crypto.h"

#include <gtest/gtest.h>

namespace gabion::node {
namespace {

using Strings = std::vector<std::string>;

constexpr std::string_view kCrypto =
    "name         : xts(aes)\n"
    "driver       : xts-aes-vaes-avx2\n"
    "module       : aesni_intel\n"
    "priority     : 600\n"
    "refcnt       : 1\n"
    "\n"
    "name         : aes\n"
    "driver       : aes-generic\n"
    "priority     : 100\n"
    "\n"
    "name         : sha256\n"
    "driver       : sha256-generic\n"
    "priority     : 100\n"
    "\n"
    "name         : __gcm(aes)\n"
    "driver       : __generic-gcm-aesni\n"
    "priority     : 400\n"
    "\n"
    "name         : hmac(sha256)\n"
    "driver       : hmac(sha256-ni)\n"
    "priority     : 250\n"
    "\n"
    "name         : cmac(aesop)\n"
    "driver       : another\n"
    "priority     : 900\n";

TEST(Crypto, DriversOfAnAlgorithmAndItsModesComeBestFirst) {
  EXPECT_EQ(crypto_drivers(kCrypto, "aes"),
            (Strings{"xts-aes-vaes-avx2", "__generic-gcm-aesni", "aes-generic"}));
  EXPECT_EQ(crypto_drivers(kCrypto, "sha256"), (Strings{"hmac(sha256-ni)", "sha256-generic"}));
  EXPECT_EQ(crypto_drivers(kCrypto, "sm4"), Strings{});
  EXPECT_EQ(crypto_drivers("", "aes"), Strings{});
}

TEST(Crypto, GenericDriversAreToldByName) {
  for (const char* driver : {"aes-generic", "aes-fixed-time", "xts(ecb(aes-generic))", "sha256-generic"}) {
    EXPECT_TRUE(is_generic_driver(driver)) << driver;
  }
  for (const char* driver :
       {"aes-aesni", "xts-aes-vaes-avx2", "sha256-ni", "sha256-avx2", "aes-ce", "sha256-lib"}) {
    EXPECT_FALSE(is_generic_driver(driver)) << driver;
  }
}

TEST(Crypto, FlagsAreWholeWords) {
  constexpr std::string_view kCpu =
      "processor\t: 0\nmodel name\t: aes maker\nflags\t\t: fpu vaes sha_ni avx2\n";
  EXPECT_FALSE(has_cpu_flag(kCpu, "aes"));
  EXPECT_TRUE(has_cpu_flag(kCpu, "vaes"));
  EXPECT_TRUE(has_cpu_flag(kCpu, "avx2"));
  EXPECT_TRUE(has_cpu_flag("Features\t: fp asimd aes sha2\n", "aes"));
  EXPECT_FALSE(has_cpu_flag("", "aes"));
}

}  // namespace
}  // namespace gabion::node
