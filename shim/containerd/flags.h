// The command line containerd calls a shim with (runtime/v2/README.md, "Commands"): Go's flag package, so
// -name VALUE, -name=VALUE and two dashes for one.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gabion::shim {

// The descriptor that `start` hands to the shim it executes.
inline constexpr int kListening = 3;

struct Flags {
  std::string name_space;
  std::string id;
  std::string address;         // containerd's gRPC socket
  std::string publish_binary;  // unused: events go to TTRPC_ADDRESS
  std::string bundle;
  std::string socket;  // of a serving shim: what kListening listens on
  bool debug = false;
  bool help = false;
  bool info = false;
  bool version = false;
  std::string action;  // "start", "delete" or "": serve
};

// Code::kInvalid names the word.
Result<Flags> parse_flags(std::span<char* const> words);

}  // namespace gabion::shim
