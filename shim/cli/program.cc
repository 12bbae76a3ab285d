// The command table, and the way from the command line to a command and its exit code.
#include <string>
#include <vector>

#include "base/text.h"
#include "oci/features.h"
#include "shim/cli/command.h"

namespace gabion::cli {

namespace {

constexpr int kUnknownCommand = 3;  // runc's, through urfave/cli

// go-runc and the suites want "runc version X.Y.Z" first and a "commit:" line, and dockerd takes
// every line that has the word "version" in it for the one that says it. X.Y.Z is the release whose
// command line this one follows; what follows the plus sign is build metadata (semver.org).
constexpr std::string_view kCompatibleWith = "1.3.0";

std::string version_text() {
  const json::Value features = oci::features();
  const json::Value* spec = features.find("ociVersionMax");
  return concat({"runc version ", kCompatibleWith, "+gabion.", GABION_VERSION, "\ncommit: v", GABION_VERSION,
                 "\nspec: ", spec != nullptr ? spec->text() : "unknown", "\ngabion: ", GABION_VERSION, "\n"});
}

std::string base_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

std::string arguments_error(std::string_view program, const Command& command, int count) {
  if (command.min_arguments == command.max_arguments) {
    return concat({program, ": \"", command.name, "\" requires exactly ",
                   std::to_string(command.min_arguments), " argument(s)"});
  }
  if (count < command.min_arguments) {
    return concat({program, ": \"", command.name, "\" requires a minimum of ",
                   std::to_string(command.min_arguments), " argument(s)"});
  }
  return concat({program, ": \"", command.name, "\" requires a maximum of ",
                 std::to_string(command.max_arguments), " argument(s)"});
}

int print_or_fail(const Journal& journal, std::string_view text) {
  const Status printed = print(text);
  if (printed.ok()) return 0;
  journal.error(printed.error().message());
  return 1;
}

// "-h" before the words that belong to the program an exec runs.
bool asks_help(const Command& command, std::span<const char* const> words) {
  for (std::string_view word : words) {
    if (word == "-h" || word == "--help" || word == "-help") return true;
    if (word == "--") return false;
    if (command.order == Order::kFlagsFirst && !word.starts_with("-")) return false;
  }
  return false;
}

int fail(const Context& context, const Command& command, const Error& error) {
  std::string text = error.message();
  if (command.failure != nullptr && !text.starts_with(command.failure)) {
    std::string_view failure = command.failure;
    const bool named = failure.starts_with('%');
    if (named) failure.remove_prefix(1);
    text = concat({named ? std::string_view(context.program) : std::string_view(), failure, ": ", text});
  }
  context.journal.error(text);
  return command.failure_code;
}

int run_command(const Context& context, const Command& command, std::span<const char* const> words) {
  if (asks_help(command, words)) {
    return print_or_fail(context.journal, command_help(context.program, command));
  }
  Result<Arguments> arguments = parse_flags(command.flags, words, command.order);
  if (!arguments.ok()) {
    context.journal.error(
        concat({arguments.error().message(), " (see ", context.program, " ", command.name, " --help)"}));
    return 1;
  }
  const int count = static_cast<int>(arguments->positional().size());
  if (count < command.min_arguments ||
      (command.max_arguments != kAnyNumber && count > command.max_arguments)) {
    context.journal.error(arguments_error(context.program, command, count));
    return 1;
  }
  context.journal.debug(concat({"gabion ", GABION_VERSION, ": ", command.name}));
  const Result<int> result = command.run(context, arguments.value());
  if (!result.ok()) return fail(context, command, result.error());
  context.journal.debug(concat({command.name, " done: exit code ", std::to_string(result.value())}));
  return result.value();
}

}  // namespace

std::span<const Command* const> commands() {
  static constexpr const Command* kCommands[] = {
      &kCheck,  &kCheckpoint, &kCreate, &kDelete, &kEvents, &kExec,    &kExplain, &kFeatures,
      &kKill,   &kList,       &kPause,  &kPolicy, &kProbe,  &kProfile, &kPs,      &kRestore,
      &kResume, &kRun,        &kSpec,   &kStart,  &kState,  &kUpdate,
  };
  return kCommands;
}

const Command* find_command(std::string_view name) {
  for (const Command* command : commands()) {
    if (name == command->name) return command;
  }
  return nullptr;
}

int run_program(std::span<const char* const> words) {
  const std::string program = base_name(words[0]);
  const Journal plain;
  // kFlagsFirst leaves the command and all that follows in positional(), in order.
  const Result<Arguments> global = parse_flags(global_flags(), words.subspan(1), Order::kFlagsFirst);
  if (!global.ok()) {
    plain.error(concat({global.error().message(), " (see ", program, " --help)"}));
    return 1;
  }
  if (global->on("version")) return print_or_fail(plain, version_text());
  const size_t rest = global->positional().size();
  std::span<const char* const> command_words = words.last(rest);
  if (rest == 0 || global->on("help")) return print_or_fail(plain, general_help(program, global_flags()));

  const Result<Context> context = make_context(program, global.value());
  if (!context.ok()) {
    plain.error(context.error().message());
    return 1;
  }
  std::string_view name = command_words[0];
  const bool help = name == "help" || name == "h";
  if (help && rest == 1) return print_or_fail(plain, general_help(program, global_flags()));
  if (help) name = command_words[1];
  const Command* command = find_command(name);
  if (command == nullptr) {
    context->journal.error(concat({"No help topic for '", name, "'"}));
    return kUnknownCommand;
  }
  if (help) return print_or_fail(context->journal, command_help(program, *command));
  return run_command(context.value(), *command, command_words.subspan(1));
}

}  // namespace gabion::cli
