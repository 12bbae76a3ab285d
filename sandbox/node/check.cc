#include "node/check.h"

#include <iterator>

#include "node/checks.h"

namespace gabion::node {

Findings check_node(const Request& request) {
  Subject subject;
  subject.request = request;
  // First, since the others need its id range; a person looks for the kernel first.
  Findings policy;
  check_policy(subject, policy);

  Findings findings;
  check_kernel(subject, findings);
  check_filters(subject, findings);
  check_filesystems(subject, findings);
  check_cgroups(subject, findings);
  check_crypto(findings);
  findings.insert(findings.end(), std::make_move_iterator(policy.begin()),
                  std::make_move_iterator(policy.end()));
  check_ids(subject, findings);
  check_audit_log(subject, findings);
  check_engines(subject, findings);
  check_containers(subject, findings);
  check_slots(subject, findings);
  check_gaps(subject, findings);
  return findings;
}

}  // namespace gabion::node
