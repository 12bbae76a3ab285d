#include <algorithm>

#include "shim/cli/command.h"
#include "shim/cli/format.h"
#include "shim/cli/info_document.h"
#include "shim/cli/table.h"

namespace gabion::cli {

namespace {

constexpr Flag kFlags[] = {
    {"format", 'f', FlagKind::kText, "FORMAT", "table (default) or json"},
    {"quiet", 'q', FlagKind::kSwitch, nullptr, "print container ids only"},
};

std::string table(const std::vector<container::Info>& containers) {
  std::vector<std::vector<std::string>> rows = {{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
  for (const container::Info& info : containers) {
    rows.push_back({info.id, std::to_string(info.pid), std::string(container::status_name(info.status)),
                    printable(info.bundle), info.created, info.owner});
  }
  return format_table(rows, 12, 3);
}

Result<int> run_list(const Context& context, const Arguments& arguments) {
  const bool as_json = TRY(wants_json(arguments));
  Session session = TRY(Session::open(context, Need::kState));
  std::vector<container::Info> containers = TRY(container::list(session.host()));
  std::sort(containers.begin(), containers.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  std::string text;
  if (arguments.on("quiet")) {
    for (const container::Info& info : containers) text += info.id + "\n";
  } else if (as_json) {
    json::Value list = json::Value::array();
    for (const container::Info& info : containers) list.push(info_document(info));
    text = json::write(list) + "\n";
  } else {
    text = table(containers);
  }
  TRY(print(text));
  return 0;
}

}  // namespace

constexpr Command kList = {
    .name = "list",
    .summary = "list the containers under --root",
    .usage = "",
    .flags = kFlags,
    .min_arguments = 0,
    .max_arguments = 0,
    .run = run_list,
};

}  // namespace gabion::cli
