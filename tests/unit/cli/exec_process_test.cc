#include "shim/cli/exec_process.h"

#include <gtest/gtest.h>

#include <vector>

namespace gabion::cli {
namespace {

constexpr Flag kFlags[] = {
    {"cwd", 0, FlagKind::kText, "", ""},
    {"env", 'e', FlagKind::kList, "", ""},
    {"user", 'u', FlagKind::kText, "", ""},
    {"additional-gids", 'g', FlagKind::kList, "", ""},
    {"tty", 't', FlagKind::kSwitch, "", ""},
    {"cap", 'c', FlagKind::kList, "", ""},
    {"apparmor", 0, FlagKind::kText, "", ""},
    {"process-label", 0, FlagKind::kText, "", ""},
    {"no-new-privs", 0, FlagKind::kSwitch, "", ""},
};

oci::Process container_process() {
  oci::Process process;
  process.terminal = true;
  process.args = {"sleep", "100"};
  process.env = {"PATH=/bin", "HOME=/root"};
  process.cwd = "/srv";
  process.user = {.uid = 5, .gid = 6, .umask = 18, .additional_gids = {7}};
  process.no_new_privileges = true;
  process.apparmor_profile = "p";
  process.capabilities = oci::Capabilities{.bounding = {"CAP_KILL"},
                                           .effective = {"CAP_KILL"},
                                           .inheritable = {},
                                           .permitted = {"CAP_KILL"},
                                           .ambient = {}};
  return process;
}

Result<oci::Process> merge(std::vector<const char*> words, std::vector<std::string> command = {"ls"}) {
  const Result<Arguments> arguments = parse_flags(kFlags, words, Order::kFlagsFirst);
  EXPECT_TRUE(arguments.ok());
  return merge_exec(container_process(), arguments.value(), command);
}

TEST(MergeExec, KeepsTheContainersIdentityButNotItsTerminal) {
  oci::Process expected = container_process();
  expected.args = {"ls", "-l"};
  expected.terminal = false;
  EXPECT_EQ(merge({}, {"ls", "-l"}).value(), expected);
  EXPECT_TRUE(merge({"-t"})->terminal);
}

TEST(MergeExec, AnEmptyCommandIsAnError) {
  EXPECT_EQ(merge({}, {}).error().context, "process args cannot be empty");
}

TEST(MergeExec, UserIsExactOrAnError) {
  EXPECT_EQ(merge({"-u", "1"})->user.uid, 1U);
  EXPECT_EQ(merge({"-u", "1"})->user.gid, 6U);
  const oci::User user = merge({"--user", "4294967294:0"})->user;
  EXPECT_EQ(user.uid, 4294967294U);
  EXPECT_EQ(user.gid, 0U);
  for (const char* bad : {"4294967296", "4294967295", "-1", "0x1", "1:", ":1", "1:-1", "abc", "", "1:2:3",
                          "1 ", "+1", "18446744073709551616"}) {
    EXPECT_FALSE(merge({"-u", bad}).ok()) << bad;
  }
  EXPECT_FALSE(merge({"-g", "4294967296"}).ok());
  EXPECT_EQ(merge({"-g", "100", "-g", "65534"})->user.additional_gids,
            (std::vector<uint32_t>{7, 100, 65534}));
}

TEST(MergeExec, AVariableSetAgainReplacesTheContainers) {
  EXPECT_EQ(merge({"-e", "PATH=/x", "-e", "A=b=c", "-e", "PATHS=1", "-e", "A="})->env,
            (std::vector<std::string>{"PATH=/x", "HOME=/root", "A=", "PATHS=1"}));
  EXPECT_FALSE(merge({"-e", "NOVALUE"}).ok());
  EXPECT_FALSE(merge({"-e", "=x"}).ok());
}

TEST(MergeExec, CapabilitiesAreNeverInheritableOrAmbient) {
  const oci::Capabilities capabilities = *merge({"--cap", "net_admin", "--cap", "CAP_KILL"})->capabilities;
  EXPECT_EQ(capabilities.bounding, (std::vector<std::string>{"CAP_KILL", "CAP_NET_ADMIN"}));
  EXPECT_EQ(capabilities.effective, capabilities.bounding);
  EXPECT_EQ(capabilities.permitted, capabilities.bounding);
  EXPECT_TRUE(capabilities.inheritable.empty());
  EXPECT_TRUE(capabilities.ambient.empty());
}

TEST(MergeExec, TheRest) {
  const oci::Process process =
      merge({"--cwd", "/tmp", "--apparmor", "q", "--process-label", "l", "--no-new-privs=false"}).value();
  EXPECT_EQ(process.cwd, "/tmp");
  EXPECT_EQ(process.apparmor_profile, "q");
  EXPECT_EQ(process.selinux_label, "l");
  EXPECT_FALSE(process.no_new_privileges);
}

}  // namespace
}  // namespace gabion::cli
