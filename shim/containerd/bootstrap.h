// The calls of containerd that end at once: `start` finds or makes the shim that serves a container, `delete`
// clears what a shim that is gone has left, -info says what this build supports.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "shim/containerd/flags.h"
#include "shim/containerd/node.h"

namespace gabion::shim {

// Where containers of one of containerd's namespaces have their state, and the node's log.
Result<Node> node_of(const std::string& name_space);

// Each returns what is to be written to standard output.
Result<std::string> start(const Flags& flags, std::string_view input);
Result<std::string> clear(const Flags& flags);
std::string info();

// The pod a container belongs to, by the annotations of its config.json: "" for one alone. Pure.
std::string group_of(const json::Value& config);

}  // namespace gabion::shim
