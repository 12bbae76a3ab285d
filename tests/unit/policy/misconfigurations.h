// The misconfigurations, each a way to break one rule. Shared by the tests of the three modes and by the
// golden decisions; tests/misconfigurations plays those of the same names in real containers.
#pragma once

#include <vector>

#include "oci/spec.h"
#include "policy/facts.h"
#include "policy/policy.h"

namespace gabion::policy::test {

struct Row {
  const char* name;
  Rule rule;
  void (*break_it)(oci::Spec&, HostFacts&);
  bool (*is_broken)(const oci::Spec&);
  bool rewritable = true;                 // false: "rewrite" refuses too
  void (*set_policy)(Policy&) = nullptr;  // for a rule that only speaks where a key is set
};

extern const std::vector<Row> kMountRows;
extern const std::vector<Row> kProcessRows;
extern const std::vector<Row> kNodeRows;

// What exec can ask for beside the container's own process, and update beside its resources.
struct ExecRow {
  const char* name;
  Rule rule;
  void (*break_it)(oci::Process& asked, oci::Process& running, Policy& policy);
};
struct UpdateRow {
  const char* name;
  Rule rule;
  void (*break_it)(oci::Resources&);
};
extern const std::vector<ExecRow> kExecRows;
extern const std::vector<UpdateRow> kUpdateRows;

}  // namespace gabion::policy::test
