#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "oci/reader.h"
#include "shim/cli/command.h"
#include "shim/cli/update_resources.h"

namespace gabion::cli {

namespace {

constexpr size_t kMaxResourcesBytes = size_t{16} << 20;

Result<oci::Resources> read_resources_file(const std::string& path) {
  const bool standard_input = path == "-";
  const std::string text = TRY(standard_input ? read_fd(STDIN_FILENO, kMaxResourcesBytes, "standard input")
                                              : read_file(path, kMaxResourcesBytes));
  const json::Value document =
      TRY(json::parse(text, standard_input ? "standard input" : std::string_view(path)));
  return oci::read_resources(document);
}

Result<oci::Resources> asked_resources(const Arguments& arguments) {
  if (!arguments.has("resources")) return resources_from_flags(arguments);
  for (const Flag& flag : kUpdateFlags) {
    if (std::string_view(flag.name) != "resources" && arguments.has(flag.name)) {
      return make_error(Code::kInvalid,
                        concat({"--", flag.name, " cannot be used with --resources: set it in that file"}));
    }
  }
  return read_resources_file(arguments.text("resources"));
}

Result<int> run_update(const Context& context, const Arguments& arguments) {
  const oci::Resources resources = TRY(asked_resources(arguments));
  Session session = TRY(Session::open(context, Need::kHarden));
  TRY(container::update(session.host(), arguments.positional()[0], resources));
  return 0;
}

}  // namespace

constexpr Command kUpdate = {
    .name = "update",
    .summary = "change the resource limits of a container",
    .usage = "ID",
    .description = "   What is not named is left as it is. The policy's ceilings hold here too.\n",
    .flags = kUpdateFlags,
    .run = run_update,
};

}  // namespace gabion::cli
