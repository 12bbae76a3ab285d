// What the global flags say, and what commands make of it: policy and audit log are opened only
// when a command needs them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "audit/log.h"
#include "base/result.h"
#include "container/container.h"
#include "policy/policy.h"
#include "shim/cli/flags.h"
#include "shim/cli/output.h"

namespace gabion::cli {

inline constexpr const char* kDefaultRoot = "/run/gabion/containers";

std::span<const Flag> global_flags();

struct Context {
  std::string program;  // the name it was called by: a link named runc calls itself runc
  std::string root;
  std::string policy_file;  // "": policy::default_policy()
  std::string audit_file;
  bool no_cgroups = false;
  bool systemd_cgroups = false;
  Journal journal;
};

// Checks every global flag's value; Code::kInvalid or kUnsupported names the flag.
Result<Context> make_context(std::string program, const Arguments& global);

enum class Need {
  kState,    // reads only: no policy, no audit record
  kChange,   // acts on a container that exists and was hardened already: no policy
  kStop,     // kill, delete: as kChange, and done even when the audit log cannot be opened
  kHarden,   // makes a process or sets limits: the policy decides
  kExplain,  // the policy decides, nothing is done
};

// Keeps alive what container::Host points to.
class Session {
 public:
  static Result<Session> open(const Context& context, Need need);
  // Valid until this Session is moved or gone.
  [[nodiscard]] container::Host host();
  [[nodiscard]] const policy::Policy& policy() const { return policy_; }

 private:
  Session(const Context& context, audit::Log log) : context_(&context), audit_(std::move(log)) {}
  const Context* context_;
  policy::Policy policy_;
  audit::Log audit_;
};

// The policy `--policy` names, or the node's.
Result<policy::Policy> load_node_policy(const Context& context);

}  // namespace gabion::cli
