#include "node/finding.h"

#include <algorithm>

#include "base/text.h"

namespace gabion::node {

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kFail:
      return "fail";
  }
  return "";
}

Finding passed(std::string check, std::string found, std::string subject) {
  return {std::move(check), std::move(subject), Verdict::kPass, std::move(found), {}};
}

Finding warned(std::string check, std::string found, std::string fix, std::string subject) {
  return {std::move(check), std::move(subject), Verdict::kWarn, std::move(found), std::move(fix)};
}

Finding failed(std::string check, std::string found, std::string fix, std::string subject) {
  return {std::move(check), std::move(subject), Verdict::kFail, std::move(found), std::move(fix)};
}

Verdict worst(const Findings& findings) {
  Verdict gravest = Verdict::kPass;
  for (const Finding& finding : findings) gravest = std::max(gravest, finding.verdict);
  return gravest;
}

size_t count(const Findings& findings, Verdict verdict) {
  return static_cast<size_t>(
      std::count_if(findings.begin(), findings.end(),
                    [verdict](const Finding& finding) { return finding.verdict == verdict; }));
}

std::string name_some(const std::vector<std::string>& names, size_t shown) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), shown); ++i) {
    text += concat({i == 0 ? "" : ", ", names[i]});
  }
  if (names.size() > shown) text += concat({" and ", std::to_string(names.size() - shown), " more"});
  return text;
}

}  // namespace gabion::node
