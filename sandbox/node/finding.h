// What one check of the node found.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gabion::node {

enum class Verdict {
  kPass,
  kWarn,  // containers run, with something less than they could have, or something is to be cleared
  kFail,  // containers would be refused, or would not be what the policy says
};
std::string_view verdict_name(Verdict verdict);  // "pass", "warn", "fail"

struct Finding {
  std::string check;    // "idmap": stable, for programs
  std::string subject;  // the file, directory or container it is about; "" the node
  Verdict verdict = Verdict::kPass;
  std::string found;  // one line
  std::string fix;    // what to do, often a command; "" only when it passes
};
using Findings = std::vector<Finding>;

Finding passed(std::string check, std::string found, std::string subject = {});
Finding warned(std::string check, std::string found, std::string fix, std::string subject = {});
Finding failed(std::string check, std::string found, std::string fix, std::string subject = {});

// The gravest of all; kPass of none.
Verdict worst(const Findings& findings);
size_t count(const Findings& findings, Verdict verdict);

// "a, b, c and 4 more": at most `shown` of the names.
std::string name_some(const std::vector<std::string>& names, size_t shown);

}  // namespace gabion::node
