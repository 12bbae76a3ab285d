// Exceptions: the node's own statement that a certain container may have more. They match only facts
// that the engine or the node asserts, never what an image, a label or a pod's author wrote.
#pragma once

#include <vector>

#include "policy/facts.h"
#include "policy/harden.h"
#include "policy/policy.h"

namespace gabion::policy {

// The exceptions of `policy` that match, in the policy's order.
std::vector<const Exception*> matching_exceptions(const Policy& policy, const HostFacts& facts,
                                                  const oci::Spec& spec);

// Those of `matched` that are still the same. Which exceptions a container matches is decided when it is
// created; one that was taken out of the policy or changed since, or is another policy's of the same name, is
// none that it has matched, and grants nothing.
std::vector<const Exception*> same_exceptions(const Policy& policy,
                                              const std::vector<MatchedException>& matched);

// The policy with them applied.
Policy with_exceptions(const Policy& policy, const std::vector<const Exception*>& matching);

}  // namespace gabion::policy
