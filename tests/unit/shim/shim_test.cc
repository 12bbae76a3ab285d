// The parts of the shim that have no effects: its command line, its groups, its mounts' options.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text.h"
#include "shim/containerd/bootstrap.h"
#include "shim/containerd/flags.h"
#include "shim/containerd/logger.h"
#include "shim/containerd/proto/message.h"
#include "shim/containerd/proto/runtime.h"
#include "shim/containerd/rootfs.h"
#include "shim/containerd/rootfs_ids.h"
#include "shim/containerd/service_work.h"

namespace gabion::shim {
namespace {

Result<Flags> parse(std::vector<std::string> words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  return parse_flags(pointers);
}

// What is not written is read as what a new one has.
TEST(CreateReport, SaysTheSameOnTheOtherSide) {
  EXPECT_EQ(proto::encode(CreateReport{}), "");
  CreateReport report;
  report.pid = 7;
  for (const bool shared : {false, true}) {
    report.shared_pid_namespace = shared;
    const Result<CreateReport> read = proto::decode<CreateReport>(proto::encode(report));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->pid, 7U);
    EXPECT_EQ(read->shared_pid_namespace, shared);
  }
}

TEST(Flags, AsContainerdCalls) {
  const Result<Flags> flags = parse({"-namespace", "default", "-address", "/run/c.sock", "-publish-binary",
                                     "/usr/bin/containerd", "-id", "one", "-debug", "start"});
  ASSERT_TRUE(flags.ok());
  EXPECT_EQ(flags->name_space, "default");
  EXPECT_EQ(flags->address, "/run/c.sock");
  EXPECT_EQ(flags->id, "one");
  EXPECT_TRUE(flags->debug);
  EXPECT_EQ(flags->action, "start");
}

TEST(Flags, AsGoWritesThem) {
  const Result<Flags> flags =
      parse({"--id=one", "-namespace=a=b", "-debug=false", "delete", "-bundle", "/b"});
  ASSERT_TRUE(flags.ok());
  EXPECT_EQ(flags->id, "one");
  EXPECT_EQ(flags->name_space, "a=b");
  EXPECT_FALSE(flags->debug);
  EXPECT_EQ(flags->bundle, "/b");
}

TEST(Flags, WhatIsUnknownIsAnError) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"-nope"}, {"-id"}, {"stop"}, {"start", "delete"}, {""}}) {
    EXPECT_FALSE(parse(words).ok());
  }
}

TEST(Group, OfAPod) {
  auto group = [](std::string_view config) { return group_of(*json::parse(config, "config.json")); };
  EXPECT_EQ(group("{}"), "");
  EXPECT_EQ(group(R"({"annotations": {"other": "x"}})"), "");
  EXPECT_EQ(group(R"({"annotations": {"io.kubernetes.cri.sandbox-id": "pod"}})"), "pod");
  EXPECT_EQ(group(R"({"annotations": {"io.containerd.runc.v2.group": "g"}})"), "g");
  EXPECT_EQ(
      group(
          R"({"annotations": {"io.containerd.runc.v2.group": "g", "io.kubernetes.cri.sandbox-id": "pod"}})"),
      "pod");
  EXPECT_EQ(group(R"({"annotations": "none"})"), "");
  EXPECT_EQ(group("[]"), "");
}

TEST(OverlayOptions, AreShortenedToFitAPage) {
  const std::string base = "/var/lib/containerd/snapshots/";
  std::string layers;
  for (int i = 0; i < 20; ++i) layers += (i == 0 ? "" : ":") + base + std::to_string(i) + "/fs";
  const std::vector<std::string> options{"index=off", "lowerdir=" + layers, "upperdir=/u"};
  const Result<OverlayOptions> plain = overlay_options(options, 4096);
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->directory, "");
  EXPECT_EQ(plain->text, "index=off,lowerdir=" + layers + ",upperdir=/u");
  const Result<OverlayOptions> shorter = overlay_options(options, 300);
  ASSERT_TRUE(shorter.ok());
  EXPECT_EQ(shorter->directory, base);
  EXPECT_TRUE(shorter->text.starts_with("index=off,lowerdir=0/fs:1/fs:"));
  EXPECT_FALSE(overlay_options(options, 60).ok());
}

proto::Mount with_options(std::vector<std::string> options) {
  proto::Mount mount;
  mount.type = "overlay";
  mount.options = std::move(options);
  return mount;
}

TEST(RootIds, AreReadFromTheMountsOptions) {
  const auto none = root_ids({with_options({"lowerdir=/a:/b", "index=off"})});
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
  const auto some =
      root_ids({with_options({"uidmap=0:666:1000,1000:6666:64536", "gidmap=0:777:65536", "lowerdir=/a"})});
  ASSERT_TRUE(some.ok() && some->has_value());
  EXPECT_EQ((*some)->uids, (std::vector<oci::IdMapping>{{0, 666, 1000}, {1000, 6666, 64536}}));
  EXPECT_EQ((*some)->gids, (std::vector<oci::IdMapping>{{0, 777, 65536}}));
}

TEST(RootIds, WhatIsNoMapIsAnError) {
  const std::string gids = "gidmap=0:1:1";
  for (const std::string text : {"uidmap=", "uidmap=0:1", "uidmap=0:1:1:1", "uidmap=a:1:1",
                                 "uidmap=0:1:4294967296", "uidmap=0:1:1,", "uidmap=0:-1:1"}) {
    EXPECT_FALSE(root_ids({with_options({text, gids})}).ok()) << text;
  }
  EXPECT_FALSE(root_ids({with_options({gids})}).ok());
  EXPECT_FALSE(root_ids({with_options({"uidmap=0:1:1", gids}), with_options({"uidmap=0:2:1", gids})}).ok());
}

proto::CreateTaskRequest request(const std::string& bundle, const std::string& type,
                                 const std::string& options) {
  proto::CreateTaskRequest made;
  made.id = "a";
  made.bundle = bundle;
  made.options = {.type_url = type, .value = options};
  return made;
}

TEST(CreateWork, OptionsThatChangeWhatRunsAreRefused) {
  const Node node{.root = "/r", .policy_file = {}, .audit_file = {}};
  auto work = [&](const std::string& type, const std::string& value) {
    return create_work(node, request("/b", type, value));
  };
  EXPECT_TRUE(work("", "").ok());
  const std::string runc = "containerd.runc.v1.Options";
  proto::RuncOptions options;
  EXPECT_TRUE(work(runc, proto::encode(options)).ok());
  proto::RuncOptions binary;
  binary.binary_name = "/usr/bin/runc";
  EXPECT_FALSE(work(runc, proto::encode(binary)).ok());
  proto::RuncOptions systemd;
  systemd.systemd_cgroup = true;
  EXPECT_FALSE(work(runc, proto::encode(systemd)).ok());
  EXPECT_FALSE(work("something.else", "x").ok());
  const std::string generic = "runtimeoptions.v1.Options";
  const auto named = work(generic, proto::encode(proto::RuntimeOptions{{}, "/etc/p.json", {}}));
  ASSERT_TRUE(named.ok());
  EXPECT_EQ(named->node.policy_file, "/etc/p.json");
  EXPECT_FALSE(work(generic, proto::encode(proto::RuntimeOptions{{}, {}, "{}"})).ok());
  EXPECT_FALSE(create_work(node, request("relative", "", "")).ok());
}

TEST(Logger, IsAPathAndTheWordsOfAQuery) {
  const Result<LoggerAddress> plain = parse_logger("binary:///usr/bin/logger");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->path, "/usr/bin/logger");
  EXPECT_TRUE(plain->arguments.empty());
  const Result<LoggerAddress> full = parse_logger("binary:///opt/a%20b?level=all%20of+it&&quiet&k=%3d");
  ASSERT_TRUE(full.ok()) << full.error().message();
  EXPECT_EQ(full->path, "/opt/a b");
  EXPECT_EQ(full->arguments, (std::vector<std::string>{"level", "all of it", "quiet", "k", "="}));
}

TEST(Logger, WhatIsNoAddressIsAnError) {
  for (const char* text :
       {"binary://", "binary://logger", "binary:///a/../b", "binary:///a//b", "binary:///a%", "binary:///a%0",
        "binary:///a%zz", "binary:///a%00", "file:///a", "binary:///a?b=%00"}) {
    const Result<LoggerAddress> read = parse_logger(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.error().code, Code::kInvalid) << text;
  }
}

}  // namespace
}  // namespace gabion::shim
