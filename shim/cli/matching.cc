#include "shim/cli/matching.h"

#include <regex.h>

#include "base/text.h"

namespace gabion::cli {

Result<std::vector<std::string>> matching_ids(const container::Host& host, const std::string& expression) {
  regex_t compiled;
  if (::regcomp(&compiled, expression.c_str(), REG_EXTENDED | REG_NOSUB) != 0) {
    return make_error(Code::kInvalid, concat({"--regex: invalid regular expression \"", expression, "\""}));
  }
  std::vector<std::string> ids;
  const Result<std::vector<container::Info>> all = container::list(host);
  if (all.ok()) {
    for (const container::Info& info : all.value()) {
      if (::regexec(&compiled, info.id.c_str(), 0, nullptr, 0) == 0) ids.push_back(info.id);
    }
  }
  ::regfree(&compiled);
  if (!all.ok()) return all.error();
  return ids;
}

}  // namespace gabion::cli
