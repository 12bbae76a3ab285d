#include "container/landlock_rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/path.h"

namespace gabion::container::test {
namespace {

namespace landlock = kernel::landlock;
using landlock::Access;

constexpr Access kProgram = landlock::kRead | landlock::kExecute;
constexpr Access kData = landlock::kRead | landlock::kWrite;

oci::Spec spec_with(std::vector<oci::Mount> mounts, bool readonly = true) {
  oci::Spec spec;
  spec.root = oci::Root{};
  spec.root->path = "rootfs";
  spec.root->readonly = readonly;
  spec.mounts = std::move(mounts);
  return spec;
}

oci::Mount mount(std::string destination, std::string type, std::vector<std::string> options) {
  oci::Mount entry;
  entry.destination = std::move(destination);
  entry.type = std::move(type);
  entry.options = std::move(options);
  return entry;
}

Access access_at(const std::vector<LandlockPlace>& places, const std::string& path) {
  const auto found = std::find_if(places.begin(), places.end(),
                                  [&](const LandlockPlace& place) { return place.path == path; });
  return found == places.end() ? 0 : found->access;
}

// What the kernel makes of the rules for a file: all that is given on its way to the root.
Access rights_at(const std::vector<LandlockRule>& rules, const std::string& file) {
  Access access = 0;
  for (const LandlockRule& rule : rules) {
    if (!rule.entries) {
      if (path_is_within(file, rule.path)) access |= rule.access;
      continue;
    }
    if (file == rule.path || !path_is_within(file, rule.path)) continue;
    const std::string below = file.substr(rule.path == "/" ? 1 : rule.path.size() + 1);
    const std::string entry = below.substr(0, below.find('/'));
    if (std::find(rule.except.begin(), rule.except.end(), entry) == rule.except.end()) access |= rule.access;
  }
  return access;
}

TEST(LandlockPlaces, SayWhatTheMountsSay) {
  const auto places = landlock_places(
      spec_with({mount("/data", "bind", {"rbind", "rw", "noexec"}), mount("/tools", "bind", {"rbind", "ro"}),
                 mount("/docs", "bind", {"bind", "ro", "noexec"}), mount("/proc", "proc", {"nosuid"}),
                 mount("/sys", "sysfs", {"rw"}), mount("/sys/fs/cgroup", "cgroup", {"ro"})}),
      {});
  EXPECT_EQ(access_at(places, "/"), kProgram);
  EXPECT_EQ(access_at(places, "/data"), kData);
  EXPECT_EQ(access_at(places, "/tools"), kProgram);
  EXPECT_EQ(access_at(places, "/docs"), landlock::kRead);
  EXPECT_EQ(access_at(places, "/proc"), landlock::kRead | landlock::kWriteFile | landlock::kTruncate);
  EXPECT_EQ(access_at(places, "/sys"), landlock::kRead) << "whatever the mount says";
}

TEST(LandlockPlaces, NothingWritableExecutes) {
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{"rbind", "rw", "exec"}, {"rbind"}, {"ro", "rw"}, {"rro", "rw"}}) {
    const auto places = landlock_places(spec_with({mount("/data", "bind", options)}), {});
    EXPECT_EQ(access_at(places, "/data"), kData);
  }
}

TEST(LandlockPlaces, RecursiveFlagsCountForTheTopToo) {
  const auto places = landlock_places(spec_with({mount("/a", "bind", {"rbind", "rro", "rnoexec"})}), {});
  EXPECT_EQ(access_at(places, "/a"), landlock::kRead);
}

TEST(LandlockPlaces, NoDeviceIsMadeAnywhereAndOnlyThoseOfDevAreControlled) {
  oci::Spec spec = spec_with(
      {mount("/dev", "tmpfs", {"mode=755"}), mount("/proc", "proc", {}), mount("/data", "bind", {"rw"})},
      false);
  oci::Device device;
  device.path = "/opt/printer";
  device.type = "c";
  spec.linux_.devices.push_back(device);
  for (const LandlockPlace& place : landlock_places(spec, {})) {
    EXPECT_EQ(place.access & (landlock::kMakeCharacterDevice | landlock::kMakeBlockDevice), 0U) << place.path;
    const bool controls = (place.access & landlock::kIoctlDev) != 0;
    EXPECT_EQ(controls, !place.mounted && (place.path == "/dev" || place.path == "/opt/printer"))
        << place.path;
  }
}

TEST(LandlockPlaces, VolatilePathsAreWritable) {
  policy::Controls controls;
  controls.volatile_paths = {{"/tmp"}, {"/var"}};
  const auto places = landlock_places(spec_with({}), controls);
  EXPECT_EQ(access_at(places, "/tmp"), kData);
  EXPECT_EQ(access_at(places, "/var"), kData);
  EXPECT_EQ(access_at(places, "/dev"), kData) << "a fresh /dev is mounted where the spec has none";
}

TEST(VisiblePlaces, TheLastMountHidesAndTheRestAdds) {
  const auto visible = visible_places({{"/", kProgram, true},
                                       {"/a", kData, true},
                                       {"/a", kProgram, true},
                                       {"/a", landlock::kIoctlDev, false}});
  const std::vector<LandlockPlace> expected = {{"/", kProgram, true},
                                               {"/a", kProgram | landlock::kIoctlDev, true}};
  EXPECT_EQ(visible, expected);
}

TEST(LandlockRules, ExecutionIsLeftOutAboveWhatMustNotExecute) {
  const auto rules = landlock_rules({{"/", kProgram, true},
                                     {"/tmp", kData, true},
                                     {"/etc/hosts", kData, true},
                                     {"/opt/tools", kProgram, true},
                                     {"/opt/tools/cache", kData, true},
                                     {"/tmp/kit", kProgram, true}});
  const auto executes = [&](const std::string& file) {
    return (rights_at(rules, file) & landlock::kExecute) != 0;
  };
  for (const char* file :
       {"/bin/sh", "/etc/init.d/script", "/opt/other/run", "/opt/tools/run", "/tmp/kit/run"})
    EXPECT_TRUE(executes(file)) << file;
  for (const char* file : {"/tmp/dropped", "/etc/hosts", "/opt/tools/cache/dropped", "/tmp/kit2"})
    EXPECT_FALSE(executes(file)) << file;
  EXPECT_EQ(rights_at(rules, "/bin/sh") & landlock::kWrite, 0U);
  EXPECT_EQ(rights_at(rules, "/tmp/file") & landlock::kWrite, landlock::kWrite);
}

TEST(LandlockRules, AProgramDirectoryBetweenTwoDataDirectories) {
  const auto rules = landlock_rules(
      {{"/", kProgram, true}, {"/a", kData, true}, {"/a/b", kProgram, true}, {"/a/b/c/d", kData, true}});
  EXPECT_NE(rights_at(rules, "/a/b/run") & landlock::kExecute, 0U);
  EXPECT_NE(rights_at(rules, "/a/b/c/run") & landlock::kExecute, 0U);
  EXPECT_EQ(rights_at(rules, "/a/b/c/d/run") & landlock::kExecute, 0U);
  EXPECT_EQ(rights_at(rules, "/a/run") & landlock::kExecute, 0U);
  for (const LandlockRule& rule : rules)
    EXPECT_FALSE(rule.entries && rule.path == "/a") << "no entry of a writable directory may execute";
}

TEST(LandlockRules, NothingBelowMeansOneRule) {
  const std::vector<LandlockRule> expected = {{"/", kProgram, false, {}}};
  EXPECT_EQ(landlock_rules({{"/", kProgram, true}}), expected);
}

}  // namespace
}  // namespace gabion::container::test
