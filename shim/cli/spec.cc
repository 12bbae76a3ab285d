#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "oci/features.h"
#include "oci/writer.h"
#include "shim/cli/command.h"

namespace gabion::cli {

namespace {

constexpr Flag kFlags[] = {
    {"bundle", 'b', FlagKind::kText, "DIR", "directory to write config.json in (default: the current one)"},
    {"file", 'f', FlagKind::kText, "FILE", "name of the file instead of config.json"},
    {"rootless", 0, FlagKind::kSwitch, nullptr, nullptr},
};

Result<int> run_spec(const Context& /*context*/, const Arguments& arguments) {
  if (arguments.on("rootless")) {
    return make_error(Code::kUnsupported,
                      "spec --rootless: gabion is run by root; the container itself gets a user "
                      "namespace of its own");
  }
  const std::string name = arguments.has("file") ? arguments.text("file") : "config.json";
  const std::string path =
      arguments.has("bundle") && !name.starts_with('/') ? join_path(arguments.text("bundle"), name) : name;
  Result<Fd> file = open_path(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (!file.ok() && file.error().sys_errno == EEXIST) {
    return make_error(Code::kExists, concat({"File ", path, " exists. Remove it first"}));
  }
  const Fd fd = TRY(std::move(file));
  const std::string text = json::write(oci::write_spec(oci::example_spec()), json::Style::kIndented) + "\n";
  const Status written = write_all(fd.get(), text);
  if (written.ok()) return 0;
  (void)::unlink(path.c_str());  // half a file would only be mistaken for a whole one
  return Error(written.error()).wrap(path);
}

}  // namespace

constexpr Command kSpec = {
    .name = "spec",
    .summary = "write an example config.json",
    .usage = "",
    .description =
        "   A starting point: a shell as root with runc's default capabilities and mounts. `explain` shows\n"
        "   what the policy makes of it.\n",
    .flags = kFlags,
    .min_arguments = 0,
    .max_arguments = 0,
    .run = run_spec,
};

}  // namespace gabion::cli
