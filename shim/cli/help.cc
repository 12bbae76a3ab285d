// Help texts, in runc's layout: people and the suites know where to look.
#include "base/text.h"
#include "shim/cli/command.h"

namespace gabion::cli {

namespace {

void append_row(std::string& text, std::string_view left, std::string_view right, size_t width) {
  text += "   ";
  text += left;
  text.append(left.size() < width ? width - left.size() : 1, ' ');
  text += right;
  text += '\n';
}

std::string flag_names(const Flag& flag) {
  std::string names = concat({"--", flag.name});
  if (flag.value != nullptr) names += concat({" ", flag.value});
  if (flag.letter != 0) {
    names += ", -";
    names += flag.letter;
    if (flag.value != nullptr) names += concat({" ", flag.value});
  }
  return names;
}

void append_flags(std::string& text, std::span<const Flag> flags) {
  size_t width = 0;
  for (const Flag& flag : flags) {
    if (flag.help != nullptr) width = std::max(width, flag_names(flag).size() + 2);
  }
  for (const Flag& flag : flags) {
    if (flag.help != nullptr) append_row(text, flag_names(flag), flag.help, width);
  }
}

}  // namespace

std::string general_help(std::string_view program, std::span<const Flag> global_flags) {
  std::string text = concat(
      {"NAME:\n   ", program,
       " - Open Container Initiative runtime that hardens what it runs\n\n"
       "USAGE:\n   ",
       program,
       " [global options] command [command options] [arguments...]\n\n"
       "   # ",
       program, " run --bundle DIR ID       run the container described by DIR/config.json\n   # ", program,
       " explain DIR               show what the policy makes of it, and why\n\n"
       "COMMANDS:\n"});
  for (const Command* command : commands()) append_row(text, command->name, command->summary, 12);
  append_row(text, "help, h", "show this help, or that of one command", 12);
  text += "\nGLOBAL OPTIONS:\n";
  append_flags(text, global_flags);
  return text;
}

std::string command_help(std::string_view program, const Command& command) {
  std::string text =
      concat({"NAME:\n   ", program, " ", command.name, " - ", command.summary, "\n\nUSAGE:\n   ", program,
              " ", command.name, command.flags.empty() ? "" : " [command options]",
              command.usage[0] != '\0' ? " " : "", command.usage, "\n"});
  if (command.description[0] != '\0') text += concat({"\nDESCRIPTION:\n", command.description});
  if (!command.flags.empty()) {
    text += "\nOPTIONS:\n";
    append_flags(text, command.flags);
  }
  return text;
}

}  // namespace gabion::cli
