#include "probe/report.h"

#include <errno.h>
#include <string.h>

#include <algorithm>

#include "base/text.h"

namespace gabion::probe {

Report probe_everything() {
  Report report;
  probe_identity(report.checks);
  probe_namespaces(report.checks);
  probe_calls(report);
  probe_sockets(report.checks);
  probe_mounts(report.checks);
  probe_execution(report.checks);
  probe_files(report.checks);
  return report;
}

int score(const Checks& checks) {
  int all = 0;
  int closed = 0;
  for (const Check& check : checks) {
    all += check.weight;
    if (!check.open) closed += check.weight;
  }
  return all == 0 ? 0 : 100 * closed / all;
}

std::string report_text(const Report& report, bool everything) {
  constexpr size_t kNameWidth = 52;
  std::string text;
  std::string_view group;
  size_t open = 0;
  for (const Check& check : report.checks) {
    if (check.open && check.weight > 0) ++open;
    if (!everything && !check.open) continue;
    if (check.group != group) text += concat({text.empty() ? "" : "\n", check.group, "\n"});
    group = check.group;
    const std::string_view mark = !check.open ? "closed" : check.weight > 0 ? "OPEN  " : "open  ";
    text +=
        concat({"  ", mark, " ", std::to_string(check.weight), check.weight < 10 ? "  " : " ", check.name});
    if (!check.detail.empty())
      text += concat({std::string(check.name.size() < kNameWidth ? kNameWidth - check.name.size() : 0, ' '),
                      "  ", check.detail});
    text += "\n";
  }
  if (!report.calls_unmeasured.empty())
    text += concat(
        {"\nThe system calls were NOT MEASURED: ", report.calls_unmeasured, ".\n",
         "Every question about them counts as open. A process has one listener at most: where a policy's\n"
         "\"violations\" have it, measure under the same policy with \"violations\": {\"*\": \"off\"}.\n"});
  text +=
      concat({text.empty() ? "" : "\n", std::to_string(open), " of ", std::to_string(report.checks.size()),
              " open; score ", std::to_string(score(report.checks)), " of 100\n"});
  return text;
}

json::Value report_document(const Report& report) {
  json::Value document = json::Value::object();
  document.add("score", json::Value::integer(score(report.checks)));
  if (!report.calls_unmeasured.empty())
    document.add("systemCallsNotMeasured", json::Value::string(report.calls_unmeasured));
  json::Value& checks = document.add("checks", json::Value::array());
  for (const Check& check : report.checks) {
    json::Value& one = checks.push(json::Value::object());
    one.add("group", json::Value::string(std::string(check.group)));
    one.add("name", json::Value::string(std::string(check.name)));
    one.add("weight", json::Value::integer(check.weight));
    one.add("open", json::Value::boolean(check.open));
    if (!check.detail.empty()) one.add("detail", json::Value::string(check.detail));
  }
  json::Value& tables = document.add("systemCalls", json::Value::object());
  for (const CallTable& table : report.calls) {
    json::Value& rows = tables.add(std::string(table.convention), json::Value::array());
    for (const CallTable::Row& row : table.rows) {
      json::Value& one = rows.push(json::Value::object());
      one.add("number", json::Value::unsigned_integer(row.number));
      if (!row.name.empty()) one.add("name", json::Value::string(std::string(row.name)));
      const char* const error = row.error != 0 ? ::strerrorname_np(row.error) : nullptr;
      one.add("answer", json::Value::string(row.reached ? "reached" : error != nullptr ? error : "killed"));
    }
  }
  return document;
}

}  // namespace gabion::probe
