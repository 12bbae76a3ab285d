#include "shim/cli/explain_text.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "oci/writer.h"
#include "shim/cli/output.h"
#include "shim/cli/table.h"

namespace gabion::cli {

namespace {

constexpr size_t kWidth = 100;     // columns
constexpr size_t kLabel = 11;      // "tightened" and a gap
constexpr size_t kLongest = 2000;  // bytes of a before or after; the JSON form has all of it

// What stops a container comes first, what changes it next, what is only noted last.
constexpr policy::Outcome kOrder[] = {policy::Outcome::kRefused, policy::Outcome::kWarned,
                                      policy::Outcome::kTightened, policy::Outcome::kDropped,
                                      policy::Outcome::kKept};

const char* colour_of(policy::Outcome outcome) {
  switch (outcome) {
    case policy::Outcome::kRefused:
      return "\033[1;31m";
    case policy::Outcome::kWarned:
      return "\033[33m";
    case policy::Outcome::kTightened:
    case policy::Outcome::kDropped:
      return "\033[32m";
    case policy::Outcome::kKept:
      return "\033[2m";
  }
  return "";
}

std::string one_line(std::string_view text) {
  std::string line = printable(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::replace(line.begin(), line.end(), '\t', ' ');
  if (line.size() > kLongest) {
    line.resize(kLongest);
    while (!line.empty() && (static_cast<unsigned char>(line.back()) & 0xc0) == 0x80) line.pop_back();
    line += " ... (see --format json)";
  }
  return line;
}

void append_field(std::string& text, std::string_view label, std::string_view value) {
  constexpr size_t kIndent = kLabel + 8;
  text.append(kLabel, ' ');
  text += label;
  text.append(kIndent - kLabel - label.size(), ' ');
  text += wrap(one_line(value), kWidth - kIndent, kIndent);
  text += '\n';
}

void append_decision(std::string& text, const policy::Decision& decision, bool colour) {
  const std::string_view name = policy::outcome_name(decision.outcome);
  text += '\n';
  if (colour) text += colour_of(decision.outcome);
  text += name;
  if (colour) text += "\033[0m";
  text.append(name.size() < kLabel ? kLabel - name.size() : 1, ' ');
  text += one_line(decision.rule);
  if (!decision.path.empty()) text += concat({"  ", one_line(decision.path)});
  text += '\n';
  if (!decision.before.empty()) append_field(text, "before", decision.before);
  if (!decision.after.empty()) {
    append_field(text, "after", decision.after);
  } else if (decision.outcome == policy::Outcome::kDropped ||
             decision.outcome == policy::Outcome::kTightened) {
    append_field(text, "after", "(nothing)");
  }
  if (!decision.reason.empty()) append_field(text, "why", decision.reason);
}

std::string counts(const std::vector<policy::Decision>& decisions) {
  std::string text =
      concat({std::to_string(decisions.size()), decisions.size() == 1 ? " decision" : " decisions"});
  const char* separator = ": ";
  for (policy::Outcome outcome : kOrder) {
    const auto count = std::count_if(decisions.begin(), decisions.end(),
                                     [outcome](const auto& decision) { return decision.outcome == outcome; });
    if (count == 0) continue;
    text += concat({separator, std::to_string(count), " ", policy::outcome_name(outcome)});
    separator = ", ";
  }
  return text;
}

// " mounts kill, tracing log": what is not answered is left out.
std::string answers_text(const policy::Violations& violations) {
  std::string text;
  for (const std::string_view kind : policy::kViolationKinds) {
    const policy::Answer answer = violations.answer(kind);
    if (answer == policy::Answer::kOff) continue;
    text += concat({text.empty() ? " " : ", ", kind, " ", policy::kAnswers[static_cast<size_t>(answer)]});
  }
  return text;
}

// Controls that config.json has no words for, as sentences. `spec` is the hardened one.
std::vector<std::string> control_lines(const policy::Controls& controls, const oci::Spec& spec) {
  std::vector<std::string> lines;
  const auto add = [&lines](bool on, const char* line) {
    if (on) lines.emplace_back(line);
  };
  add(controls.own_user_namespace, "a user namespace of its own; root and binds are idmapped");
  add(controls.seal_namespaces, "namespaces belong to the node: no mount, network or hostname change inside");
  add(controls.forbid_nested_namespaces, "no namespaces can be made inside");
  add(controls.no_memfd_exec, "no execution from memfd, where the kernel can forbid it");
  add(controls.core_dumps_off, "no core dumps");
  add(controls.unprivileged_low_ports, "ports below 1024 may be bound without a capability");
  add(controls.unprivileged_ping, "ping works without a capability");
  add(controls.private_stdio, "standard streams belong to the container's user");
  if (controls.landlock) {
    lines.push_back(concat({"Landlock: nothing writable executes",
                            spec.root && !spec.root->readonly ? " but in the root itself" : "",
                            ", and no device is made, whatever the mounts say"}));
  }
  add(controls.memory_deny_write_execute, "no memory becomes executable that could be written");
  const bool own_filter = spec.linux_.seccomp && !spec.linux_.seccomp->default_action.empty();
  const char* const beside = own_filter ? ", beside the specification's own; the stricter answer holds" : "";
  if (!controls.seccomp_profile.empty())
    lines.push_back(concat({"system call filter \"", controls.seccomp_profile, "\"", beside}));
  if (const std::string answers = answers_text(controls.violations); !answers.empty()) {
    lines.push_back(concat({"a monitor hears what the filter denies:", answers}));
  }
  for (const policy::PinnedFilter& pinned : controls.seccomp_filters) {
    lines.push_back(concat({"system call filter ", pinned.file, ", which the policy pins", beside}));
  }
  if (!controls.volatile_paths.empty()) {
    std::string line = "writable, emptied at exit, nothing executable:";
    for (const policy::VolatilePath& path : controls.volatile_paths) line += " " + path.path;
    lines.push_back(std::move(line));
  }
  return lines;
}

json::Value controls_document(const policy::Controls& controls) {
  json::Value document = json::Value::object();
  document.set("ownUserNamespace", json::Value::boolean(controls.own_user_namespace));
  document.set("sealNamespaces", json::Value::boolean(controls.seal_namespaces));
  document.set("forbidNestedNamespaces", json::Value::boolean(controls.forbid_nested_namespaces));
  document.set("noMemfdExec", json::Value::boolean(controls.no_memfd_exec));
  document.set("coreDumpsOff", json::Value::boolean(controls.core_dumps_off));
  document.set("unprivilegedLowPorts", json::Value::boolean(controls.unprivileged_low_ports));
  document.set("unprivilegedPing", json::Value::boolean(controls.unprivileged_ping));
  document.set("privateStdio", json::Value::boolean(controls.private_stdio));
  document.set("landlock", json::Value::boolean(controls.landlock));
  document.set("memoryDenyWriteExecute", json::Value::boolean(controls.memory_deny_write_execute));
  document.set("seccompProfile", json::Value::string(controls.seccomp_profile));
  json::Value violations = json::Value::object();
  for (const std::string_view kind : policy::kViolationKinds) {
    const auto answer = static_cast<size_t>(controls.violations.answer(kind));
    violations.set(std::string(kind), json::Value::string(std::string(policy::kAnswers[answer])));
  }
  document.set("violations", std::move(violations));
  json::Value pinned = json::Value::array();
  for (const policy::PinnedFilter& filter : controls.seccomp_filters) {
    json::Value entry = json::Value::object();
    entry.set("file", json::Value::string(filter.file));
    entry.set("sha256", json::Value::string(filter.sha256));
    pinned.push(std::move(entry));
  }
  document.set("seccompFilters", std::move(pinned));
  json::Value paths = json::Value::array();
  for (const policy::VolatilePath& path : controls.volatile_paths) paths.push(json::Value::string(path.path));
  document.set("volatilePaths", std::move(paths));
  document.set("volatileBytes", json::Value::unsigned_integer(controls.volatile_bytes));
  document.set("tmpfsBytes", json::Value::unsigned_integer(controls.tmpfs_bytes));
  return document;
}

}  // namespace

std::string explain_text(const container::Explanation& explanation, const Subject& subject, bool colour) {
  const char* verdict_colour = explanation.refused ? "\033[1;31m" : "\033[1;32m";
  std::string text = concat({"bundle   ", one_line(subject.bundle), "\npolicy   ", one_line(subject.policy),
                             "  (sha256 ", subject.policy_sha256.substr(0, 12), ")\nresult   ",
                             colour ? verdict_colour : "", explanation.refused ? "refused" : "allowed",
                             colour ? "\033[0m" : "", "; ", counts(explanation.decisions), "\n"});
  for (policy::Outcome outcome : kOrder) {
    for (const policy::Decision& decision : explanation.decisions) {
      if (decision.outcome == outcome) append_decision(text, decision, colour);
    }
  }
  const std::vector<std::string> controls =
      control_lines(explanation.controls, explanation.hardened.value_or(oci::Spec{}));
  if (!explanation.refused && !controls.empty()) {
    text += "\nbesides\n";
    for (const std::string& line : controls)
      text += concat({"  - ", wrap(one_line(line), kWidth - 4, 4), "\n"});
  }
  return text;
}

json::Value explain_document(const container::Explanation& explanation, const Subject& subject) {
  json::Value policy = json::Value::object();
  policy.set("name", json::Value::string(subject.policy));
  policy.set("sha256", json::Value::string(subject.policy_sha256));
  json::Value decisions = json::Value::array();
  for (const policy::Decision& decision : explanation.decisions)
    decisions.push(policy::write_decision(decision));
  json::Value document = json::Value::object();
  document.set("bundle", json::Value::string(subject.bundle));
  document.set("policy", std::move(policy));
  document.set("refused", json::Value::boolean(explanation.refused));
  document.set("decisions", std::move(decisions));
  if (!explanation.refused) document.set("controls", controls_document(explanation.controls));
  if (explanation.hardened) document.set("hardened", oci::write_spec(*explanation.hardened));
  return document;
}

}  // namespace gabion::cli
