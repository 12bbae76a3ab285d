// The command line as data: a table of flags in, values out.
//
// Engines write Go's style, people write GNU's, and crun's users getopt's, so all are read alike:
// --name value, --name=value, -name (one dash, go-runc's "-no-subreaper"), -n value, -n=value, and
// one-letter switches run together (-it). A switch takes a value only after '=' (--detach=false).
// "--" ends the flags.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace gabion::cli {

enum class FlagKind {
  kSwitch,
  kText,   // given twice: the last counts, as Go's flag package has it
  kCount,  // a whole number from 0 to 2^31-1
  kList,   // may be repeated
};

struct Flag {
  const char* name;
  char letter;  // 0: none
  FlagKind kind;
  const char* value;  // what help calls the value; nullptr for a switch
  const char* help;   // nullptr: accepted and not listed
};

// Where arguments that are not flags end the flags: a command that passes the rest on (exec, ps)
// must not take a flag meant for the program it runs.
enum class Order { kFlagsAnywhere, kFlagsFirst };

class Arguments {
 public:
  [[nodiscard]] bool has(std::string_view name) const;
  // True for a switch given and not "=false".
  [[nodiscard]] bool on(std::string_view name) const;
  // "" when not given.
  [[nodiscard]] const std::string& text(std::string_view name) const;
  [[nodiscard]] int count(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> list(std::string_view name) const;
  [[nodiscard]] const std::vector<std::string>& positional() const { return positional_; }

 private:
  friend Result<Arguments> parse_flags(std::span<const Flag> flags, std::span<const char* const> words,
                                       Order order);
  std::vector<std::pair<std::string_view, std::string>> values_;
  std::vector<std::string> positional_;
};

// `words` without the program's and the command's name. Errors are Code::kInvalid in Go's words
// ("flag provided but not defined: -zork").
Result<Arguments> parse_flags(std::span<const Flag> flags, std::span<const char* const> words, Order order);

}  // namespace gabion::cli
