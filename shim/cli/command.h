// A command: what help says of it, which flags it takes, and the function that does it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "shim/cli/context.h"
#include "shim/cli/flags.h"

namespace gabion::cli {

inline constexpr int kAnyNumber = -1;

struct Command {
  const char* name;
  const char* summary;           // one line
  const char* usage;             // the arguments, as help shows them
  const char* description = "";  // "" or whole lines
  std::span<const Flag> flags = {};
  Order order = Order::kFlagsAnywhere;
  int min_arguments = 1;  // most commands take one container's id
  int max_arguments = 1;  // kAnyNumber: no limit
  // The exit code. A failed command exits 1, a failed exec 255, as runc has it.
  Result<int> (*run)(const Context& context, const Arguments& arguments);
  // Put before an error that does not begin with it: "exec failed"; a "%" at its start stands for
  // the program's name; nullptr: nothing.
  const char* failure = nullptr;
  int failure_code = 1;
};

// One per file of the same name.
extern const Command kCheck, kCheckpoint, kCreate, kDelete, kEvents, kExec, kExplain, kFeatures, kKill, kList,
    kPause, kPolicy, kProbe, kProfile, kPs, kRestore, kResume, kRun, kSpec, kStart, kState, kUpdate;

// In the order help lists them.
std::span<const Command* const> commands();
const Command* find_command(std::string_view name);

std::string general_help(std::string_view program, std::span<const Flag> global_flags);
std::string command_help(std::string_view program, const Command& command);

// The whole program but for process set-up: parses, runs, reports; the value is the exit code.
int run_program(std::span<const char* const> words);

}  // namespace gabion::cli
