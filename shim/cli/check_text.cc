#include "shim/cli/check_text.h"

#include <algorithm>

#include "base/text.h"
#include "shim/cli/output.h"
#include "shim/cli/table.h"

namespace gabion::cli {

namespace {

constexpr size_t kWidth = 100;  // columns
constexpr size_t kResult = 8;   // "RESULT" and a gap
constexpr size_t kCheck = 17;   // the longest name and a gap
constexpr size_t kIndent = kResult + kCheck;

const char* colour_of(node::Verdict verdict) {
  switch (verdict) {
    case node::Verdict::kPass:
      return "\033[32m";
    case node::Verdict::kWarn:
      return "\033[33m";
    case node::Verdict::kFail:
      return "\033[1;31m";
  }
  return "";
}

std::string one_line(std::string_view text) {
  std::string line = printable(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::replace(line.begin(), line.end(), '\t', ' ');
  return line;
}

void pad(std::string& text, size_t used, size_t width) { text.append(used < width ? width - used : 1, ' '); }

void append_finding(std::string& text, const node::Finding& finding, bool colour) {
  const std::string_view verdict = node::verdict_name(finding.verdict);
  if (colour) text += colour_of(finding.verdict);
  text += verdict;
  if (colour) text += "\033[0m";
  pad(text, verdict.size(), kResult);
  text += finding.check;
  pad(text, finding.check.size(), kCheck);
  const std::string found =
      one_line(finding.subject.empty() ? finding.found : concat({finding.subject, ": ", finding.found}));
  text += wrap(found, kWidth - kIndent, kIndent);
  text += '\n';
  if (finding.fix.empty()) return;
  constexpr std::string_view kFix = "fix: ";
  text.append(kIndent, ' ');
  text += kFix;
  text += wrap(one_line(finding.fix), kWidth - kIndent - kFix.size(), kIndent + kFix.size());
  text += '\n';
}

std::string counted(size_t number, std::string_view one, std::string_view many) {
  return concat({std::to_string(number), " ", number == 1 ? one : many});
}

}  // namespace

std::string check_text(const node::Findings& findings, bool colour) {
  std::string text = "RESULT";
  pad(text, text.size(), kResult);
  text += "CHECK";
  pad(text, std::string_view("CHECK").size(), kCheck);
  text += "FOUND\n";
  for (const node::Finding& finding : findings) append_finding(text, finding, colour);
  const bool ready = node::worst(findings) != node::Verdict::kFail;
  text += concat({"\n", ready ? "ready" : "not ready", ": ",
                  counted(node::count(findings, node::Verdict::kFail), "failure", "failures"), ", ",
                  counted(node::count(findings, node::Verdict::kWarn), "warning", "warnings"), ", ",
                  std::to_string(node::count(findings, node::Verdict::kPass)), " passed\n"});
  return text;
}

json::Value check_document(const node::Findings& findings) {
  json::Value checks = json::Value::array();
  for (const node::Finding& finding : findings) {
    json::Value check = json::Value::object();
    check.set("check", json::Value::string(finding.check));
    if (!finding.subject.empty()) check.set("subject", json::Value::string(finding.subject));
    check.set("result", json::Value::string(std::string(node::verdict_name(finding.verdict))));
    check.set("found", json::Value::string(finding.found));
    if (!finding.fix.empty()) check.set("fix", json::Value::string(finding.fix));
    checks.push(std::move(check));
  }
  json::Value document = json::Value::object();
  document.set("ready", json::Value::boolean(node::worst(findings) != node::Verdict::kFail));
  for (node::Verdict verdict : {node::Verdict::kPass, node::Verdict::kWarn, node::Verdict::kFail}) {
    document.set(std::string(node::verdict_name(verdict)),
                 json::Value::unsigned_integer(node::count(findings, verdict)));
  }
  document.set("checks", std::move(checks));
  return document;
}

}  // namespace gabion::cli
