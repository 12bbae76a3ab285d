// What leaves the program: the log (--log, --debug), errors, and text that is safe to show.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace gabion::cli {

// Text of a container (a path, a name, a hook's output) may hold escape sequences; to a terminal or
// a log it goes as \xNN. Newlines and tabs stay.
std::string printable(std::string_view text);

// On the standard output, whole. An error is the caller's: an engine that reads half a state
// document must not see exit code 0.
Status print(std::string_view text);

enum class LogFormat { kText, kJson };

// runc's log: `time="..." level=error msg="..."` on stderr, or lines of that or of JSON appended to
// a file. With a file, an error is shown plainly on stderr as well: a person should not have to look.
class Journal {
 public:
  Journal() = default;  // text, on stderr
  // "" is stderr. The file may be a FIFO; one that nobody reads is not waited for.
  static Result<Journal> open(const std::string& path, LogFormat format, bool debug);

  [[nodiscard]] bool debugging() const { return debug_; }
  void error(std::string_view message) const;
  void warning(std::string_view message) const;
  void debug(std::string_view message) const;

 private:
  void line(std::string_view level, std::string_view message) const;
  Fd file_;
  LogFormat format_ = LogFormat::kText;
  bool debug_ = false;
};

}  // namespace gabion::cli
