// What the engines' configurations say of gabion. Pure: no file is read here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gabion::node {

struct EngineRuntime {
  std::string name;              // "gabion"
  std::string path;              // of the binary, or a name for the engine's PATH
  bool systemd_cgroups = false;  // the engine asks this runtime for systemd's cgroups
};

struct EngineConfig {
  std::vector<EngineRuntime> runtimes;  // gabion's: by the runtime's name or the binary's
  std::string default_runtime;          // "": the engine's own
  std::string cgroup_driver;            // Docker: "cgroupfs", "systemd"; "" Docker chooses
  std::string data_directory;           // "": the engine's default
};

// daemon.json. Code::kInvalid when it is not what Docker could read; `name` is what errors call it.
Result<EngineConfig> parse_docker_config(std::string_view text, std::string_view name);

// containerd's config.toml. Not a reader of TOML: it finds tables, and the keys that matter in them, each on
// a line or in a table on one line, which is how containerd writes them.
EngineConfig parse_containerd_config(std::string_view text);

}  // namespace gabion::node
