#include "shim/containerd/node.h"

#include <utility>

#include "audit/log.h"
#include "policy/policy.h"
#include "policy/reader.h"

namespace gabion::shim {

namespace {

Result<audit::Log> open_log(const Node& node, Need need) {
  if (need == Need::kRead) return audit::Log::disabled();
  Result<audit::Log> log = audit::Log::open(node.audit_file);
  if (log.ok() || need != Need::kAlways) return log;
  return audit::Log::failed(node.audit_file, std::move(log).error());
}

}  // namespace

Result<std::string> on_node(const Node& node, Need need, const audit::Actor* caller,
                            const std::function<Result<std::string>(const container::Host&)>& operation) {
  audit::Log log = TRY(open_log(node, need));
  if (caller != nullptr) log.act_for(*caller);
  policy::Policy policy;
  if (need == Need::kHarden) {
    policy =
        node.policy_file.empty() ? TRY(policy::default_policy()) : TRY(policy::load_policy(node.policy_file));
  }
  container::Host host;
  host.root = node.root;
  host.policy = &policy;
  host.audit = &log;
  return operation(host);
}

}  // namespace gabion::shim
