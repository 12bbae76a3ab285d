#include "shim/cli/format.h"

#include <string>

#include "base/text.h"

namespace gabion::cli {

Result<bool> wants_json(const Arguments& arguments, std::string_view plain) {
  const std::string& format = arguments.text("format");
  if (format == "json") return true;
  if (format.empty() || format == plain) return false;
  return make_error(Code::kInvalid,
                    concat({"invalid format option \"", format, "\"; use ", plain, " or json"}));
}

}  // namespace gabion::cli
