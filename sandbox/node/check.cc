#include "node/check.h"

#include <iterator>

#include "node/checks.h"

namespace gabion::node {

namespace {

// What only a user namespace needs is no failure under a policy that gives none.
void soften(Findings& findings) {
  for (Finding& finding : findings) {
    const bool needed_for_ids =
        finding.check == "user-namespace" || finding.check == "idmap" || finding.check == "overlay";
    if (needed_for_ids && finding.verdict == Verdict::kFail) finding.verdict = Verdict::kWarn;
  }
}

}  // namespace

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
  if (!subject.policy.user_namespace) soften(findings);
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
