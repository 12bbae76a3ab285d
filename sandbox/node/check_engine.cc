// Whether Docker or containerd is configured for gabion, and rightly.
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "kernel/cgroup.h"
#include "node/checks.h"
#include "node/engine_files.h"

namespace gabion::node {
namespace {

struct Engine {
  const char* check;
  std::string file;
  bool docker;
};

// "" when the engine could run it.
std::string flaw_of_binary(const std::string& path) {
  const std::string program = find_program(path);
  struct stat info {};
  if (program.empty() || ::stat(program.c_str(), &info) != 0) return "does not exist";
  if (!S_ISREG(info.st_mode)) return "is not a file";
  if (::access(program.c_str(), X_OK) != 0) return "is not executable";
  if (info.st_uid != 0 || (info.st_mode & 022) != 0) return "can be written by others than root";
  return "";
}

// Docker's choice on a node with systemd and cgroup2 alone is systemd's cgroups.
bool docker_uses_systemd(const EngineConfig& config) {
  if (!config.cgroup_driver.empty()) return config.cgroup_driver == "systemd";
  return kernel::cgroup_mode() == kernel::CgroupMode::kUnified && ::access("/run/systemd/system", F_OK) == 0;
}

Finding check_runtime(const Engine& engine, const EngineConfig& config, const EngineRuntime& runtime) {
  const std::string words = concat({"runtime \"", runtime.name, "\" is ", runtime.path});
  const std::string flaw = flaw_of_binary(runtime.path);
  if (!flaw.empty()) {
    return failed(engine.check, concat({words, ", which ", flaw}),
                  "name gabion's own file there (make install puts gabion and containerd-shim-gabion-v2 into "
                  "/usr/local/bin), root's and mode 0755, and restart the engine",
                  engine.file);
  }
  if (engine.docker && docker_uses_systemd(config)) {
    return failed(engine.check,
                  concat({words, "; the cgroup driver is systemd, which gabion does not support"}),
                  "add \"exec-opts\": [\"native.cgroupdriver=cgroupfs\"] and restart Docker", engine.file);
  }
  if (runtime.systemd_cgroups) {
    return failed(engine.check, concat({words, " with systemd's cgroups, which gabion does not support"}),
                  engine.docker ? "take --systemd-cgroup out of its runtimeArgs and restart Docker"
                                : "set SystemdCgroup = false in its options and restart containerd",
                  engine.file);
  }
  const bool is_default = config.default_runtime == runtime.name;
  return passed(engine.check, concat({words, is_default ? ", the default" : ""}), engine.file);
}

// The number of gabion's runtimes in it.
size_t check_engine(const Engine& engine, const Result<std::optional<EngineConfig>>& read,
                    Findings& findings) {
  if (!read.ok()) {
    findings.push_back(failed(engine.check, read.error().message(),
                              "correct the file, or name the right one; the engine cannot read it either",
                              engine.file));
    return 0;
  }
  if (!read->has_value()) return 0;
  const EngineConfig& config = **read;
  for (const EngineRuntime& runtime : config.runtimes) {
    findings.push_back(check_runtime(engine, config, runtime));
  }
  return config.runtimes.size();
}

}  // namespace

void check_engines(const Subject& subject, Findings& findings) {
  const Request& request = subject.request;
  const Engine docker{
      .check = "docker",
      .file = request.docker_config.empty() ? kDockerConfig : request.docker_config,
      .docker = true,
  };
  const Engine containerd{
      .check = "containerd",
      .file = request.containerd_config.empty() ? kContainerdConfig : request.containerd_config,
      .docker = false,
  };
  const Result<std::optional<EngineConfig>> of_docker = read_docker_config(request);
  const Result<std::optional<EngineConfig>> of_containerd = read_containerd_config(request);
  const size_t runtimes =
      check_engine(docker, of_docker, findings) + check_engine(containerd, of_containerd, findings);
  if (runtimes > 0 || !of_docker.ok() || !of_containerd.ok()) return;
  findings.push_back(warned(
      "engines", concat({"no engine is configured for gabion (", docker.file, ", ", containerd.file, ")"}),
      "merge docker/daemon.json (from Docker 24 on daemon-shim.json) or containerd/*.toml of "
      "/usr/local/share/gabion into the engine's configuration and restart it"));
}

}  // namespace gabion::node
