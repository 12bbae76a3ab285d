#include "kernel/cgroup_devices.h"

#include <gtest/gtest.h>

namespace gabion::kernel {
namespace {

using Texts = std::vector<std::string>;

DeviceRule rule(bool allow, char type, int64_t major, int64_t minor, std::string_view access) {
  return {.allow = allow,
          .type = type,
          .major = major,
          .minor = minor,
          .read = access.find('r') != std::string_view::npos,
          .write = access.find('w') != std::string_view::npos,
          .mknod = access.find('m') != std::string_view::npos};
}

const DeviceRule kDenyAll = rule(false, 'a', -1, -1, "rwm");

TEST(CgroupDevices, NewGroupIsResetFirstAndThenOpened) {
  const auto target = device_list({kDenyAll, rule(true, 'c', 1, 3, "rwm"), rule(true, 'c', -1, -1, "m"),
                                   rule(false, 'c', 10, 229, "rw")});
  ASSERT_TRUE(target.ok());
  const DeviceTransition change = device_transition(std::nullopt, *target);
  EXPECT_EQ(change.reset, Texts{"a"});
  EXPECT_FALSE(change.reset_to_allow);
  EXPECT_EQ(change.deny, Texts{});
  EXPECT_EQ(change.allow, (Texts{"c 1:3 rwm", "c *:* m"}));
}

TEST(CgroupDevices, NothingIsAllowedBeforeTheFirstRule) {
  const auto target = device_list({rule(true, 'c', 1, 3, "r")});
  ASSERT_TRUE(target.ok());
  EXPECT_FALSE(target->default_allow);
  EXPECT_EQ(target->exceptions.size(), 1u);
}

TEST(CgroupDevices, LivingGroupChangesOnlyWhereItDiffers) {
  const DeviceList current = parse_device_list("c 1:3 rwm\nb 8:0 rw\nc 5:* r\n");
  const auto target = device_list(
      {kDenyAll, rule(true, 'c', 1, 3, "rw"), rule(true, 'c', 5, -1, "r"), rule(true, 'c', 1, 5, "r")});
  ASSERT_TRUE(target.ok());
  const DeviceTransition change = device_transition(current, *target);
  EXPECT_EQ(change.reset, Texts{});
  EXPECT_EQ(change.deny, (Texts{"c 1:3 m", "b 8:0 rw"}));
  EXPECT_EQ(change.allow, Texts{"c 1:5 r"});
}

TEST(CgroupDevices, AllowAllStaysAllowAllWithoutAReset) {
  // "a" in devices.allow is EINVAL in a group with children, such as systemd's in a container.
  const auto target = device_list({rule(true, 'a', -1, -1, "rwm"), rule(false, 'c', 1, 5, "rwm")});
  ASSERT_TRUE(target.ok());
  const DeviceTransition living = device_transition(parse_device_list("a *:* rwm\n"), *target);
  EXPECT_EQ(living.reset, Texts{});
  EXPECT_EQ(living.deny, Texts{"c 1:5 rwm"});
  const DeviceTransition fresh = device_transition(std::nullopt, *target);
  EXPECT_EQ(fresh.reset, Texts{"a"});
  EXPECT_TRUE(fresh.reset_to_allow);
}

TEST(CgroupDevices, HoleInAWildcardIsRefusedRatherThanIgnored) {
  const auto hole = device_list({kDenyAll, rule(true, 'c', -1, -1, "rwm"), rule(false, 'c', 1, 5, "w")});
  ASSERT_FALSE(hole.ok());
  EXPECT_EQ(hole.error().code, Code::kUnsupported);
  EXPECT_NE(hole.error().context.find("c 1:5 w"), std::string::npos);
  // A hole in other accesses than the wildcard grants is none.
  EXPECT_TRUE(device_list({kDenyAll, rule(true, 'c', -1, -1, "m"), rule(false, 'c', 1, 5, "w")}).ok());
}

TEST(CgroupDevices, WideDenialTakesNarrowerGrantsBack) {
  const auto target = device_list(
      {kDenyAll, rule(true, 'c', 1, 3, "rwm"), rule(true, 'b', 8, 0, "r"), rule(false, 'c', -1, -1, "w")});
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(device_transition(std::nullopt, *target).allow, (Texts{"c 1:3 rm", "b 8:0 r"}));
}

TEST(CgroupDevices, PartOfEverythingIsNotEverything) {
  // {"allow": true, "type": "a", "access": "m"} written to the kernel as "a" would open every device.
  const auto target = device_list({kDenyAll, rule(true, 'a', -1, -1, "m")});
  ASSERT_TRUE(target.ok());
  EXPECT_FALSE(target->default_allow);
  EXPECT_EQ(device_transition(std::nullopt, *target).allow, (Texts{"b *:* m", "c *:* m"}));
  EXPECT_FALSE(is_whole_rule(rule(true, 'a', -1, -1, "")));
  EXPECT_TRUE(is_whole_rule(rule(false, 'a', -1, -1, "")));
  EXPECT_FALSE(is_whole_rule(rule(true, 'a', 1, -1, "rwm")));
}

TEST(CgroupDevices, UnknownTypeIsAnError) {
  EXPECT_FALSE(device_list({kDenyAll, rule(true, 'p', 1, 3, "rwm")}).ok());
}

}  // namespace
}  // namespace gabion::kernel
