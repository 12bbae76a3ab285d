#include "container/sealed_copy.h"

#include <gtest/gtest.h>

namespace gabion::container {
namespace {

oci::Spec with_user_namespace(uint32_t host_id, std::string path = "") {
  oci::Spec spec;
  spec.linux_.namespaces.push_back({oci::NamespaceType::kUser, std::move(path)});
  spec.linux_.uid_mappings.push_back({0, host_id, 65536});
  return spec;
}

// Wrong in one direction is CVE-2019-5736, in the other a wasted execve(2).
TEST(SealedCopy, KnowsWhereTheHostsRootIs) {
  EXPECT_TRUE(reaches_host_root(oci::Spec{}));
  EXPECT_FALSE(reaches_host_root(with_user_namespace(100000)));
  EXPECT_TRUE(reaches_host_root(with_user_namespace(0)));
  EXPECT_TRUE(reaches_host_root(with_user_namespace(100000, "/proc/1/ns/user")));
}

}  // namespace
}  // namespace gabion::container
