#include "probe/report.h"
#include "shim/cli/command.h"
#include "shim/cli/format.h"
#include "shim/cli/output.h"

namespace gabion::cli {

namespace {

constexpr Flag kFlags[] = {
    {"format", 0, FlagKind::kText, "FORMAT", "table (default) or json, which also has every system call"},
    {"all", 'a', FlagKind::kSwitch, nullptr, "closed checks too"},
};

Result<int> run_probe(const Context& /*context*/, const Arguments& arguments) {
  const bool as_json = TRY(wants_json(arguments));
  const probe::Report report = probe::probe_everything();
  if (as_json) {
    TRY(print(json::write(probe::report_document(report), json::Style::kIndented) + "\n"));
  } else {
    TRY(print(printable(probe::report_text(report, arguments.on("all")))));
  }
  return 0;
}

}  // namespace

constexpr Command kProbe = {
    .name = "probe",
    .summary = "measure what a process can do from where it is",
    .usage = "",
    .description =
        "   Tries, and changes nothing. Run it in any container: the program is static, so it can be bound "
        "into\n"
        "   one (docker run -v /usr/local/bin/gabion:/gabion:ro IMAGE /gabion probe), and in a container of\n"
        "   gabion's it is there already: gabion exec ID /proc/self/exe probe. Not so where the policy has\n"
        "   \"landlock\" or no exec: put a copy of gabion into the image and run it as the container's "
        "program,\n"
        "   with \"violations\" off.\n",
    .flags = kFlags,
    .min_arguments = 0,
    .max_arguments = 0,
    .run = run_probe,
};

}  // namespace gabion::cli
