#include "policy/recorder.h"

namespace gabion::policy {

bool Recorder::rewrites(Rule rule, Finding finding) {
  switch (policy_.mode(rule)) {
    case Mode::kRewrite: {
      const Outcome outcome = finding.after.empty() ? Outcome::kDropped : Outcome::kTightened;
      record(rule, outcome, std::move(finding));
      return true;
    }
    case Mode::kWarn:
      finding.after = finding.before;
      record(rule, Outcome::kWarned, std::move(finding));
      return false;
    case Mode::kRefuse:
      break;
  }
  record(rule, Outcome::kRefused, std::move(finding));
  return false;
}

void Recorder::objects(Rule rule, Finding finding) {
  if (policy_.mode(rule) == Mode::kWarn) {
    finding.after = finding.before;
    record(rule, Outcome::kWarned, std::move(finding));
  } else {
    record(rule, Outcome::kRefused, std::move(finding));
  }
}

void Recorder::tightens(Rule rule, Finding finding) {
  if (policy_.mode(rule) == Mode::kRefuse) {
    record(rule, Outcome::kRefused, std::move(finding));
  } else {
    const Outcome outcome = finding.after.empty() ? Outcome::kDropped : Outcome::kTightened;
    record(rule, outcome, std::move(finding));
  }
}

void Recorder::keeps(Rule rule, std::string path, std::string value, std::string reason) {
  std::string after = value;
  record(rule, Outcome::kKept, {std::move(path), std::move(value), std::move(after), std::move(reason), ""});
}

void Recorder::record(Rule rule, Outcome outcome, Finding finding) {
  if (outcome == Outcome::kRefused) {
    refused_ = true;
    finding.after.clear();
    if (!finding.fix.empty()) finding.reason += "; " + finding.fix;
  }
  decisions_.push_back({std::string(rule_name(rule)), std::move(finding.path), std::move(finding.before),
                        std::move(finding.after), outcome, std::move(finding.reason)});
}

std::string word_list(const std::vector<std::string>& words, size_t limit) {
  std::string text;
  for (size_t i = 0; i < words.size() && i < limit; ++i) {
    if (i > 0) text += ' ';
    text += words[i];
  }
  if (words.size() > limit) text += " ... " + std::to_string(words.size()) + " in all";
  return text;
}

}  // namespace gabion::policy
