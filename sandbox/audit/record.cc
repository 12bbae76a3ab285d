// Record → line. Pure but for the clock and the boot id.
#include "audit/record.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "audit/boot.h"
#include "base/clock.h"
#include "base/json_text.h"
#include "base/text.h"

namespace gabion::audit {

namespace {

// Arguments, paths and environment come from outside as bytes. A byte that is not UTF-8 would make
// the whole line unreadable to a strict parser, so it is written as "\xNN" instead.
std::string utf8(std::string_view text) {
  if (!json::find_invalid_utf8(text) && text.find('\0') == std::string_view::npos) return std::string(text);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const size_t length = text[0] == '\0' ? 0 : json::utf8_length(text);
    if (length == 0) {
      const auto byte = static_cast<unsigned char>(text[0]);
      clean += "\\x";
      clean += kDigits[byte >> 4];
      clean += kDigits[byte & 0xf];
      text.remove_prefix(1);
    } else {
      clean += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return clean;
}

void set_text(json::Value& object, const char* key, const std::string& text) {
  if (!text.empty()) object.set(key, json::Value::string(utf8(text)));
}

std::string prefix(const std::string& text, size_t limit) {
  if (text.size() <= limit) return text;
  return concat(
      {std::string_view(text).substr(0, limit), "...(", std::to_string(text.size() - limit), " more bytes)"});
}

json::Value write_actor(const Actor& actor) {
  json::Value object = json::Value::object();
  object.set("uid", json::Value::unsigned_integer(actor.uid));
  object.set("loginuid", json::Value::unsigned_integer(actor.login_uid));
  object.set("pid", json::Value::integer(actor.pid));
  set_text(object, "exe", prefix(actor.exe, 1024));
  json::Value parents = json::Value::array();
  for (const auto& [pid, name] : actor.parents) {
    json::Value parent = json::Value::object();
    parent.set("pid", json::Value::integer(pid));
    parent.set("comm", json::Value::string(utf8(prefix(name, 64))));
    parents.push(std::move(parent));
  }
  object.set("parents", std::move(parents));
  return object;
}

json::Value write_violation(const Violation& violation) {
  json::Value object = json::Value::object();
  set_text(object, "kind", violation.kind);
  set_text(object, "syscall", violation.syscall);
  object.set("number", json::Value::unsigned_integer(violation.number));
  json::Value arguments = json::Value::array();
  for (const uint64_t argument : violation.arguments) {
    char text[19];  // "0x", 16 digits, NUL
    (void)snprintf(text, sizeof(text), "0x%" PRIx64, argument);
    arguments.push(json::Value::string(text));
  }
  object.set("arguments", std::move(arguments));
  object.set("errno", json::Value::integer(violation.error));
  if (violation.pid) object.set("pid", json::Value::integer(*violation.pid));
  if (violation.uid) object.set("uid", json::Value::unsigned_integer(*violation.uid));
  // The author of an image chooses its length, and each byte may become six.
  set_text(object, "exe", prefix(violation.exe, 256));
  if (violation.unreported > 0) {
    object.set("unreported", json::Value::unsigned_integer(violation.unreported));
  }
  return object;
}

policy::Decision clean(const policy::Decision& decision) {
  policy::Decision copy = decision;
  for (std::string* text : {&copy.rule, &copy.path, &copy.before, &copy.after, &copy.reason})
    *text = utf8(*text);
  return copy;
}

// A copy in which no text is longer than `text_limit` bytes and no list longer than `list_limit`.
Record bounded(const Record& record, size_t text_limit, size_t list_limit) {
  const auto cut = [text_limit](const std::string& text) { return prefix(text, text_limit); };
  Record copy;
  copy.event = cut(record.event);
  copy.outcome = cut(record.outcome);
  copy.reason = cut(record.reason);
  copy.container = cut(record.container);
  copy.bundle = cut(record.bundle);
  copy.config_sha256 = cut(record.config_sha256);
  copy.policy = cut(record.policy);
  copy.policy_sha256 = cut(record.policy_sha256);
  copy.detail = cut(record.detail);
  const size_t arguments = std::min(list_limit, record.argv.size());
  for (size_t i = 0; i < arguments; ++i) copy.argv.push_back(cut(record.argv[i]));
  copy.argv_omitted = record.argv_omitted + record.argv.size() - arguments;
  const size_t decisions = std::min(list_limit, record.decisions.size());
  for (size_t i = 0; i < decisions; ++i) {
    const policy::Decision& decision = record.decisions[i];
    copy.decisions.push_back({.rule = cut(decision.rule),
                              .path = cut(decision.path),
                              .before = cut(decision.before),
                              .after = cut(decision.after),
                              .outcome = decision.outcome,
                              .reason = cut(decision.reason)});
  }
  copy.violation = record.violation;
  copy.decisions_omitted = record.decisions_omitted + record.decisions.size() - decisions;
  return copy;
}

// At least so many bytes the texts need: what is surely too long is not written out to see.
size_t least_size(const Record& record) {
  size_t size = record.reason.size() + record.detail.size() + record.bundle.size() + record.argv.size() +
                record.decisions.size();
  for (const std::string& argument : record.argv) size += argument.size();
  for (const policy::Decision& decision : record.decisions) {
    size += decision.before.size() + decision.after.size() + decision.reason.size();
  }
  return size;
}

}  // namespace

json::Value write_record(const Record& record, const Actor& actor, uint64_t seq) {
  json::Value line = json::Value::object();
  line.set("v", json::Value::integer(1));
  line.set("ts", json::Value::string(now_rfc3339()));
  // Counts through suspend and cannot be set: records of one boot stay in order when the clock is not.
  line.set("boottime_ns", json::Value::integer(boot_time_ns()));
  set_text(line, "boot_id", boot_id());
  set_text(line, "event", record.event);
  set_text(line, "outcome", record.outcome);
  set_text(line, "reason", record.reason);
  set_text(line, "container", record.container);
  set_text(line, "bundle", record.bundle);
  set_text(line, "config_sha256", record.config_sha256);
  if (!record.policy.empty()) {
    json::Value policy = json::Value::object();
    set_text(policy, "name", record.policy);
    set_text(policy, "sha256", record.policy_sha256);
    line.set("policy", std::move(policy));
  }
  set_text(line, "detail", record.detail);
  if (!record.argv.empty()) {
    json::Value argv = json::Value::array();
    for (const std::string& argument : record.argv) argv.push(json::Value::string(utf8(argument)));
    line.set("argv", std::move(argv));
  }
  if (record.argv_omitted > 0) line.set("argv_omitted", json::Value::unsigned_integer(record.argv_omitted));
  if (!record.decisions.empty()) {
    json::Value decisions = json::Value::array();
    for (const policy::Decision& decision : record.decisions) {
      decisions.push(policy::write_decision(clean(decision)));
    }
    line.set("decisions", std::move(decisions));
  }
  if (record.decisions_omitted > 0) {
    line.set("decisions_omitted", json::Value::unsigned_integer(record.decisions_omitted));
  }
  if (record.violation) line.set("violation", write_violation(*record.violation));
  line.set("actor", write_actor(actor));
  line.set("runtime", json::Value::string("gabion " GABION_VERSION));
  line.set("seq", json::Value::unsigned_integer(seq));
  return line;
}

std::string format_line(const Record& record, const Actor& actor, uint64_t seq) {
  std::string line;
  if (least_size(record) < kMaxLine) line = json::write(write_record(record, actor, seq));
  // Ends: a byte becomes six at most ("\u0001"), so the last step, 9 texts, 4 arguments and 4
  // decisions of 5 texts, each of about 160 bytes, and the bounded actor make less than 48 KiB.
  size_t text_limit = 2048;
  size_t list_limit = 256;
  while (line.empty() || line.size() + 1 > kMaxLine) {
    line = json::write(write_record(bounded(record, text_limit, list_limit), actor, seq));
    if (text_limit > 128) text_limit /= 2;
    if (list_limit > 4) list_limit /= 2;
  }
  line += '\n';
  return line;
}

}  // namespace gabion::audit
