// What a worker opens of the node before it touches a container: the policy and the audit log, as the command
// does.
#pragma once

#include <functional>
#include <string>

#include "audit/record.h"
#include "base/result.h"
#include "container/container.h"

namespace gabion::shim {

struct Node {
  std::string root;         // of the containers' state: a directory for each of containerd's namespaces
  std::string policy_file;  // "": policy::default_policy()
  std::string audit_file;
};

enum class Need {
  kRead,    // no policy, no audit record
  kChange,  // of what was hardened already
  kAlways,  // as kChange, and done even when the audit log cannot be opened
  kHarden,  // the policy decides
};

// `caller`: the client that asks, whom the audit log names; null: whoever has called this process, which for
// a worker is the shim. Unused with kRead.
Result<std::string> on_node(const Node& node, Need need, const audit::Actor* caller,
                            const std::function<Result<std::string>(const container::Host&)>& operation);

}  // namespace gabion::shim
