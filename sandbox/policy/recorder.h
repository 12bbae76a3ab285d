// Collects decisions while rules run, and answers each rule's one question: "may I change this?".
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/decision.h"
#include "policy/policy.h"

namespace gabion::policy {

// What a rule objects to.
struct Finding {
  std::string path;    // JSON path in config.json
  std::string before;  // short text; "" when the spec said nothing
  std::string after;   // what a rewrite would leave; "" when nothing
  std::string reason;  // why the rule objects
  std::string fix;     // what a person can do instead; added to the reason of a refusal
};

class Recorder {
 public:
  explicit Recorder(const Policy& policy) : policy_(policy) {}

  // Records the finding as the rule's mode has it. True: the caller must now make the change the
  // finding describes. False: refused, or left with a warning.
  [[nodiscard]] bool rewrites(Rule rule, Finding finding);
  // The same for what has no safe rewriting: refused also when the mode is "rewrite".
  void objects(Rule rule, Finding finding);
  // Refused whatever the mode: the facts to judge by are missing.
  void refuses(Rule rule, Finding finding) { record(rule, Outcome::kRefused, std::move(finding)); }
  // For what the container itself does not have: no mode gives it to a second process, or by an update.
  // Refused when the mode is "refuse"; otherwise the caller makes the change, under "warn" too. (Refused,
  // it makes it as well: one mistake, one objection.)
  void tightens(Rule rule, Finding finding);
  // Replaced by the very thing that was judged, in every mode.
  void pins(Rule rule, std::string path, std::string before, std::string after, std::string reason) {
    record(rule, Outcome::kTightened,
           {std::move(path), std::move(before), std::move(after), std::move(reason), ""});
  }
  // Looked at, and left because something allows it.
  void keeps(Rule rule, std::string path, std::string value, std::string reason);

  [[nodiscard]] bool refused() const { return refused_; }
  [[nodiscard]] std::vector<Decision> take() { return std::move(decisions_); }

 private:
  void record(Rule rule, Outcome outcome, Finding finding);

  const Policy& policy_;
  std::vector<Decision> decisions_;
  bool refused_ = false;
};

// "a b c", at most `limit` words and then "... 12 in all": decisions are for reading.
std::string word_list(const std::vector<std::string>& words, size_t limit = 40);

}  // namespace gabion::policy
