// The parts of check_node(). Private to node/: each appends its findings.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "node/check.h"
#include "node/finding.h"
#include "policy/policy.h"

namespace gabion::node {

// What the parts share.
struct Subject {
  Request request;
  policy::Policy policy;  // the node's, or the default tier's when that one is not valid
  uint32_t first_id = 0;  // of the ids to try with: the policy's first, or one nobody has when it has none
  Fd user_namespace;      // with ids from there; invalid when none could be made
};

void check_kernel(Subject& subject, Findings& findings);  // makes the user namespace
void check_filters(const Subject& subject, Findings& findings);
void check_filesystems(const Subject& subject, Findings& findings);
void check_cgroups(const Subject& subject, Findings& findings);
void check_crypto(Findings& findings);
void check_policy(Subject& subject, Findings& findings);  // reads the policy, and sets `first_id`
void check_ids(const Subject& subject, Findings& findings);
void check_audit_log(const Subject& subject, Findings& findings);
void check_engines(const Subject& subject, Findings& findings);
void check_containers(const Subject& subject, Findings& findings);
void check_slots(const Subject& subject, Findings& findings);
void check_gaps(const Subject& subject, Findings& findings);

}  // namespace gabion::node
