#include "policy/decision.h"

namespace gabion::policy {

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kKept:
      return "kept";
    case Outcome::kTightened:
      return "tightened";
    case Outcome::kDropped:
      return "dropped";
    case Outcome::kWarned:
      return "warned";
    case Outcome::kRefused:
      return "refused";
  }
  return "refused";
}

json::Value write_decision(const Decision& decision) {
  json::Value value = json::Value::object();
  value.set("rule", json::Value::string(decision.rule));
  value.set("path", json::Value::string(decision.path));
  value.set("before", json::Value::string(decision.before));
  value.set("after", json::Value::string(decision.after));
  value.set("outcome", json::Value::string(std::string(outcome_name(decision.outcome))));
  value.set("reason", json::Value::string(decision.reason));
  return value;
}

std::string refusal_message(const std::vector<Decision>& decisions) {
  std::string text = "refused by policy";
  const char* separator = ": ";
  for (const Decision& decision : decisions) {
    if (decision.outcome != Outcome::kRefused) continue;
    text += separator;
    text += decision.rule;
    if (!decision.path.empty()) text += " at " + decision.path;
    text += ": " + decision.reason;
    separator = "; ";
  }
  return text;
}

}  // namespace gabion::policy
