// The engines' configuration files of this node, read. Private to node/.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "node/check.h"
#include "node/engine_config.h"

namespace gabion::node {

// nullopt: there is none, and none was named. Errors of a file that was named or cannot be read.
Result<std::optional<EngineConfig>> read_docker_config(const Request& request);
Result<std::optional<EngineConfig>> read_containerd_config(const Request& request);

// Where the engines keep images: as configured, or their defaults.
std::string docker_data_root(const Request& request);
std::string containerd_root(const Request& request);

// The file a configuration's `path` means: itself, or, without a slash, the first of that name in the usual
// directories of programs. "" when there is none.
std::string find_program(const std::string& path);

}  // namespace gabion::node
