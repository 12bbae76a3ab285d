#include "shim/cli/flags.h"

#include <limits>
#include <optional>

#include "base/text.h"

namespace gabion::cli {

namespace {

// strconv.ParseBool's words, which urfave/cli takes.
std::optional<bool> parse_switch(std::string_view text) {
  for (std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

const Flag* find_flag(std::span<const Flag> flags, std::string_view name) {
  for (const Flag& flag : flags) {
    if (name == flag.name) return &flag;
    if (name.size() == 1 && flag.letter != 0 && name[0] == flag.letter) return &flag;
  }
  return nullptr;
}

// "-it", "-dp FILE": every letter but the last a switch. A letter with a value glued on ("-u1000")
// is not read: "-detached" would then quietly mean -d -e tached.
std::vector<const Flag*> find_letters(std::span<const Flag> flags, std::string_view letters) {
  std::vector<const Flag*> found;
  for (size_t i = 0; i < letters.size(); ++i) {
    const Flag* flag = find_flag(flags, letters.substr(i, 1));
    if (flag == nullptr) return {};
    if (flag->kind != FlagKind::kSwitch && i + 1 < letters.size()) return {};
    found.push_back(flag);
  }
  return found;
}

Status check_value(const Flag& flag, std::string_view text) {
  if (flag.kind == FlagKind::kCount && !parse_unsigned(text, std::numeric_limits<int32_t>::max())) {
    return make_error(Code::kInvalid, concat({"invalid value \"", text, "\" for flag -", flag.name,
                                              ": expected a whole number from 0 to 2147483647"}));
  }
  if (flag.kind == FlagKind::kSwitch && !parse_switch(text)) {
    return make_error(Code::kInvalid, concat({"invalid boolean value \"", text, "\" for -", flag.name}));
  }
  return ok_status();
}

}  // namespace

bool Arguments::has(std::string_view name) const {
  for (const auto& [key, value] : values_) {
    if (key == name) return true;
  }
  return false;
}

bool Arguments::on(std::string_view name) const { return parse_switch(text(name)).value_or(false); }

const std::string& Arguments::text(std::string_view name) const {
  static const std::string kNone;
  const std::string* found = &kNone;
  for (const auto& [key, value] : values_) {
    if (key == name) found = &value;
  }
  return *found;
}

int Arguments::count(std::string_view name) const {
  return static_cast<int>(parse_unsigned(text(name), std::numeric_limits<int32_t>::max()).value_or(0));
}

std::vector<std::string> Arguments::list(std::string_view name) const {
  std::vector<std::string> found;
  for (const auto& [key, value] : values_) {
    if (key == name) found.push_back(value);
  }
  return found;
}

Result<Arguments> parse_flags(std::span<const Flag> flags, std::span<const char* const> words, Order order) {
  Arguments arguments;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    // A lone "-" is an argument: it names the standard input.
    if (word.size() < 2 || word[0] != '-') {
      arguments.positional_.emplace_back(word);
      if (order == Order::kFlagsAnywhere) continue;
    }
    if (word == "--" || word.size() < 2 || word[0] != '-') {
      for (++i; i < words.size(); ++i) arguments.positional_.emplace_back(words[i]);
      break;
    }
    const std::string_view body = word.substr(word.starts_with("--") ? 2 : 1);
    const size_t equals = body.find('=');
    const std::string_view name = body.substr(0, equals);
    std::vector<const Flag*> found;
    if (const Flag* flag = find_flag(flags, name)) {
      found.push_back(flag);
    } else if (!word.starts_with("--") && equals == std::string_view::npos) {
      found = find_letters(flags, name);
    }
    if (found.empty()) {
      return make_error(Code::kInvalid, concat({"flag provided but not defined: -", name}));
    }
    for (const Flag* flag : found) {
      std::string value;
      if (equals != std::string_view::npos) {
        value = body.substr(equals + 1);
      } else if (flag->kind == FlagKind::kSwitch) {
        value = "true";
      } else if (i + 1 < words.size()) {
        value = words[++i];
      } else {
        return make_error(Code::kInvalid, concat({"flag needs an argument: -", name}));
      }
      TRY(check_value(*flag, value));
      arguments.values_.emplace_back(flag->name, std::move(value));
    }
  }
  return arguments;
}

}  // namespace gabion::cli
