#include "container/survey_mounts.h"

#include <gtest/gtest.h>

namespace gabion::container {
namespace {

using Paths = std::vector<std::string>;

constexpr const char* kTable =
    "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "21 20 0:5 / /proc rw - proc proc rw\n"
    "22 20 0:20 / /run rw shared:2 - tmpfs tmpfs rw\n"
    "30 20 8:1 /etc /srv/v rw - ext4 /dev/sda1 rw\n"
    "31 20 8:1 /srv/mysql /var/lib/mysql rw - ext4 /dev/sda1 rw\n"
    "32 20 0:20 /docker.sock /srv/chroot/with\\040blank rw - tmpfs tmpfs rw\n"
    "33 20 8:1 / /srv/whole rw - ext4 /dev/sda1 rw\n"
    "34 20 0:5 / /srv/chroot/proc rw - proc proc rw\n"
    "broken\n";

TEST(SurveyMounts, ABindShowsWhatItWasMadeOf) {
  const HostMounts mounts = HostMounts::parse(kTable);
  EXPECT_EQ(mounts.aliases(30, "/srv/v/ssl"), (Paths{"/etc/ssl", "/srv/whole/etc/ssl"}));
  EXPECT_EQ(mounts.aliases(33, "/srv/whole"), (Paths{"/"}));
  EXPECT_EQ(mounts.aliases(33, "/srv/whole/root"), (Paths{
                                                       "/root",
                                                   }));
}

TEST(SurveyMounts, WhatIsMountedElsewhereDoesNotTaintItsOrigin) {
  // /srv/mysql is an ordinary directory; that the node mounts it on /var/lib/mysql changes nothing.
  const HostMounts mounts = HostMounts::parse(kTable);
  EXPECT_EQ(mounts.aliases(20, "/srv/mysql"), (Paths{"/srv/whole/srv/mysql"}));
  EXPECT_EQ(mounts.aliases(22, "/run/x"), Paths{});
  EXPECT_EQ(mounts.aliases(999, "/srv/mysql"), Paths{});
}

TEST(SurveyMounts, FindsWhatIsMountedBelow) {
  const HostMounts mounts = HostMounts::parse(kTable);
  const std::vector<policy::NestedMount> below = mounts.below("/srv/chroot");
  ASSERT_EQ(below.size(), 2U);
  EXPECT_EQ(below[0].path, "/srv/chroot/with blank");
  EXPECT_EQ(below[0].aliases, (Paths{"/run/docker.sock"}));
  EXPECT_EQ(below[1].filesystem, "proc");
  EXPECT_TRUE(mounts.below("/srv/v").empty());  // at it, not below it
}

}  // namespace
}  // namespace gabion::container
