#include "base/result.h"

#include <cstring>

namespace gabion {

std::string Error::message() const {
  if (sys_errno == 0) return context;
  std::string text = context;
  if (!text.empty()) text += ": ";
  // strerror's capital letter ("No such file or directory") is lowered: Docker and Podman match
  // Go's lower-case texts to choose exit codes 126 and 127.
  std::string reason = ::strerror(sys_errno);
  const auto capital = [&](size_t at) { return reason[at] >= 'A' && reason[at] <= 'Z'; };
  if (reason.size() > 1 && capital(0) && !capital(1)) {
    reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
  }
  return text + reason;
}

Error Error::wrap(std::string_view prefix) && {
  std::string text(prefix);
  if (!context.empty()) text += ": " + context;
  return Error{code, sys_errno, std::move(text)};
}

Error make_error(Code code, std::string context) { return Error{code, 0, std::move(context)}; }

Error sys_error(std::string context) { return sys_error(std::move(context), errno); }

Error sys_error(std::string context, int error_number) {
  Code code = Code::kSystem;
  if (error_number == ENOENT || error_number == ESRCH) code = Code::kNotFound;
  if (error_number == EEXIST) code = Code::kExists;
  return Error{code, error_number, std::move(context)};
}

}  // namespace gabion
