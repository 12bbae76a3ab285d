// How containerd names a standard stream: a fifo (a path, or fifo://PATH), a file (file://PATH), a program
// that takes output (binary://PROGRAM, logger.h) or nothing ("").
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace gabion::shim {

struct StdioPaths {
  std::string input;
  std::string output;
  std::string error;  // with a terminal: nothing
  bool terminal = false;
};

struct StdioAddress {
  enum class Kind { kNothing, kFifo, kFile, kLogger };
  Kind kind = Kind::kNothing;
  std::string path;  // of a logger: the whole address
};
// Code::kInvalid for what is no such address. Pure.
Result<StdioAddress> parse_stdio_address(const std::string& text);

}  // namespace gabion::shim
