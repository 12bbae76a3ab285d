#include "node/engine_config.h"

#include <gtest/gtest.h>

#include "base/file.h"

namespace gabion::node {
namespace {

TEST(DockerConfig, FindsGabionsRuntimesByNameAndByBinary) {
  const Result<EngineConfig> config = parse_docker_config(R"({
    "exec-opts": ["native.cgroupdriver=cgroupfs"], "default-runtime": "hard", "data-root": "/data",
    "runtimes": {
      "gabion": {"path": "/opt/x"},
      "hard": {"path": "/usr/local/bin/gabion", "runtimeArgs": ["--policy", "/p", "--systemd-cgroup"]},
      "crun": {"path": "/home/gabion/crun"},
      "gabion-shim": {"runtimeType": "io.containerd.kata.v2"}
    }})",
                                                          "daemon.json");
  ASSERT_TRUE(config.ok());
  ASSERT_EQ(config->runtimes.size(), 2U);
  EXPECT_EQ(config->runtimes[0].name, "gabion");
  EXPECT_EQ(config->runtimes[0].path, "/opt/x");
  EXPECT_FALSE(config->runtimes[0].systemd_cgroups);
  EXPECT_EQ(config->runtimes[1].name, "hard");
  EXPECT_TRUE(config->runtimes[1].systemd_cgroups);
  EXPECT_EQ(config->default_runtime, "hard");
  EXPECT_EQ(config->cgroup_driver, "cgroupfs");
  EXPECT_EQ(config->data_directory, "/data");
}

std::string shipped(const std::string& file) {
  const Result<std::string> text = read_file(std::string(GABION_SOURCE_DIR "/integration/") + file, 65536);
  return text.ok() ? *text : "";
}

// What the installation ships for gabion's own shim.
TEST(DockerConfig, FindsTheShimByItsType) {
  const Result<EngineConfig> config = parse_docker_config(shipped("docker/daemon-shim.json"), "d");
  ASSERT_TRUE(config.ok());
  ASSERT_EQ(config->runtimes.size(), 1U);
  EXPECT_EQ(config->runtimes[0].path, "containerd-shim-gabion-v2");
}

TEST(ContainerdConfig, FindsTheShimByItsTypeAndByItsPath) {
  const EngineConfig first = parse_containerd_config(shipped("containerd/gabion-v2.toml"));
  ASSERT_EQ(first.runtimes.size(), 1U);
  EXPECT_EQ(first.runtimes[0].path, "containerd-shim-gabion-v2");
  const EngineConfig third =
      parse_containerd_config(shipped("containerd/gabion-v3.toml") +
                              "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes."
                              "gabion.options]\n  SystemdCgroup = true\n");
  ASSERT_EQ(third.runtimes.size(), 2U);
  EXPECT_EQ(third.runtimes[0].path, "containerd-shim-gabion-v2");
  EXPECT_TRUE(third.runtimes[0].systemd_cgroups);
  EXPECT_EQ(third.runtimes[1].name, "gabion-userns");
  EXPECT_EQ(third.runtimes[1].path, "/usr/local/bin/containerd-shim-gabion-v2");
  EXPECT_FALSE(third.runtimes[1].systemd_cgroups);
}

TEST(DockerConfig, AnEmptyObjectSaysNothing) {
  const Result<EngineConfig> config = parse_docker_config("{}", "daemon.json");
  ASSERT_TRUE(config.ok());
  EXPECT_TRUE(config->runtimes.empty());
  EXPECT_EQ(config->cgroup_driver, "");
}

TEST(DockerConfig, WhatDockerCouldNotReadIsAnError) {
  for (const char* text : {"", "[]", "{", "{\"a\": 1,}"}) {
    const Result<EngineConfig> config = parse_docker_config(text, "daemon.json");
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_NE(config.error().message().find("daemon.json"), std::string::npos);
  }
}

TEST(DockerConfig, WrongTypesAreNoRuntimes) {
  const Result<EngineConfig> config =
      parse_docker_config(R"({"runtimes": {"gabion": "x", "gabion2": {"path": 5}}, "exec-opts": "x"})", "d");
  ASSERT_TRUE(config.ok());
  for (const EngineRuntime& runtime : config->runtimes) EXPECT_NE(runtime.path, "");
}

TEST(ContainerdConfig, FindsTheBinaryOfATable) {
  const EngineConfig config = parse_containerd_config(R"(
version = 2
root = "/data/containerd"
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "gabion"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  BinaryName = "/usr/sbin/runc"
  SystemdCgroup = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.gabion.options]
  # BinaryName = "/commented/gabion"
  BinaryName = "/usr/local/bin/gabion" # here
[other]
  root = "/not/this"
)");
  ASSERT_EQ(config.runtimes.size(), 1U);
  EXPECT_EQ(config.runtimes[0].name, "gabion");
  EXPECT_EQ(config.runtimes[0].path, "/usr/local/bin/gabion");
  EXPECT_FALSE(config.runtimes[0].systemd_cgroups);
  EXPECT_EQ(config.default_runtime, "gabion");
  EXPECT_EQ(config.data_directory, "/data/containerd");
}

TEST(ContainerdConfig, ReadsSingleQuotesAndTablesOnOneLine) {
  const EngineConfig config = parse_containerd_config(
      "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.hard]\n"
      "options = { SystemdCgroup = true, BinaryName = '/opt/gabion' }\n");
  ASSERT_EQ(config.runtimes.size(), 1U);
  EXPECT_EQ(config.runtimes[0].name, "hard");
  EXPECT_EQ(config.runtimes[0].path, "/opt/gabion");
  EXPECT_TRUE(config.runtimes[0].systemd_cgroups);
}

TEST(ContainerdConfig, BrokenTextNamesNothing) {
  for (const char* text :
       {"", "[", "BinaryName", "BinaryName =", "BinaryName = \"", "x.runtimes.", "[a.runtimes.\n"}) {
    EXPECT_TRUE(parse_containerd_config(text).runtimes.empty()) << text;
  }
}

}  // namespace
}  // namespace gabion::node
