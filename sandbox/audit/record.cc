// Record → line. Pure but for the clock and the boot id.
#include "audit/record.h"

#include <ctime>

#include "audit/clock.h"
#include "base/json_text.h"
#include "base/text.h"

namespace gabion::audit {

namespace {

// Arguments, paths and environment come from outside as bytes. A byte that is not UTF-8 would make
// the whole line unreadable to a strict parser, so it is written as "\xNN" instead.
std::string utf8(std::string_view text) {
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

void cut(std::string& text, size_t limit) {
  if (text.size() <= limit) return;
  const size_t left_out = text.size() - limit;
  text.resize(limit);
  text += concat({"...(", std::to_string(left_out), " more bytes)"});
}

json::Value write_actor(const Actor& actor) {
  json::Value object = json::Value::object();
  object.set("uid", json::Value::unsigned_integer(actor.uid));
  object.set("loginuid", json::Value::unsigned_integer(actor.login_uid));
  object.set("pid", json::Value::integer(actor.pid));
  std::string exe = actor.exe;
  cut(exe, 1024);
  set_text(object, "exe", exe);
  json::Value parents = json::Value::array();
  for (const auto& [pid, name] : actor.parents) {
    std::string comm = name;
    cut(comm, 64);
    json::Value parent = json::Value::object();
    parent.set("pid", json::Value::integer(pid));
    parent.set("comm", json::Value::string(utf8(comm)));
    parents.push(std::move(parent));
  }
  object.set("parents", std::move(parents));
  return object;
}

policy::Decision clean(const policy::Decision& decision) {
  policy::Decision copy = decision;
  for (std::string* text : {&copy.rule, &copy.path, &copy.before, &copy.after, &copy.reason})
    *text = utf8(*text);
  return copy;
}

template <typename T>
void shorten(std::vector<T>& list, size_t limit, size_t& omitted) {
  if (list.size() <= limit) return;
  omitted += list.size() - limit;
  list.resize(limit);
}

// A copy in which no text is longer than `text_limit` bytes and no list longer than `list_limit`.
Record bounded(const Record& record, size_t text_limit, size_t list_limit) {
  Record copy = record;
  shorten(copy.argv, list_limit, copy.argv_omitted);
  shorten(copy.decisions, list_limit, copy.decisions_omitted);
  for (std::string* text : {&copy.event, &copy.outcome, &copy.reason, &copy.container, &copy.bundle,
                            &copy.config_sha256, &copy.policy, &copy.policy_sha256, &copy.detail}) {
    cut(*text, text_limit);
  }
  for (std::string& argument : copy.argv) cut(argument, text_limit);
  for (policy::Decision& decision : copy.decisions) {
    for (std::string* text :
         {&decision.rule, &decision.path, &decision.before, &decision.after, &decision.reason}) {
      cut(*text, text_limit);
    }
  }
  return copy;
}

}  // namespace

json::Value write_record(const Record& record, const Actor& actor, uint64_t seq) {
  json::Value line = json::Value::object();
  line.set("v", json::Value::integer(1));
  line.set("ts", json::Value::string(now_rfc3339()));
  line.set("boottime_ns", json::Value::unsigned_integer(boot_time_ns()));
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
  line.set("actor", write_actor(actor));
  line.set("runtime", json::Value::string("gabion " GABION_VERSION));
  line.set("seq", json::Value::unsigned_integer(seq));
  return line;
}

std::string format_line(const Record& record, const Actor& actor, uint64_t seq) {
  std::string line = json::write(write_record(record, actor, seq));
  // Ends: a byte becomes six at most ("\u0001"), so the last step, 9 texts, 4 arguments and 4
  // decisions of 5 texts, each of about 160 bytes, and the bounded actor make less than 48 KiB.
  size_t text_limit = 2048;
  size_t list_limit = 256;
  while (line.size() + 1 > kMaxLine) {
    line = json::write(write_record(bounded(record, text_limit, list_limit), actor, seq));
    if (text_limit > 128) text_limit /= 2;
    if (list_limit > 4) list_limit /= 2;
  }
  line += '\n';
  return line;
}

}  // namespace gabion::audit
