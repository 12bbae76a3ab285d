#include "shim/containerd/flags.h"

#include "base/text.h"

namespace gabion::shim {

namespace {

struct TextFlag {
  std::string_view name;
  std::string Flags::*value;
};

constexpr TextFlag kTexts[] = {
    {"namespace", &Flags::name_space},          {"id", &Flags::id},         {"address", &Flags::address},
    {"publish-binary", &Flags::publish_binary}, {"bundle", &Flags::bundle}, {"socket", &Flags::socket},
};

struct SwitchFlag {
  std::string_view name;
  bool Flags::*value;
};

constexpr SwitchFlag kSwitches[] = {{"debug", &Flags::debug},
                                    {"h", &Flags::help},
                                    {"help", &Flags::help},
                                    {"info", &Flags::info},
                                    {"v", &Flags::version}};

}  // namespace

Result<Flags> parse_flags(std::span<char* const> words) {
  Flags flags;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (!word.starts_with('-')) {
      if (!flags.action.empty() || (word != "start" && word != "delete")) {
        return make_error(Code::kInvalid,
                          concat({"unknown action \"", word, "\"; containerd says start or delete"}));
      }
      flags.action = word;
      continue;
    }
    const std::string_view text = word.substr(word.starts_with("--") ? 2 : 1);
    const std::string_view name = text.substr(0, text.find('='));
    const bool valued = name.size() != text.size();
    bool known = false;
    for (const SwitchFlag& flag : kSwitches) {
      if (flag.name != name) continue;
      flags.*flag.value = !valued || text.substr(name.size() + 1) == "true";
      known = true;
    }
    for (const TextFlag& flag : kTexts) {
      if (flag.name != name) continue;
      if (!valued && i + 1 == words.size()) {
        return make_error(Code::kInvalid, concat({"flag needs an argument: -", name}));
      }
      flags.*flag.value = valued ? std::string(text.substr(name.size() + 1)) : std::string(words[++i]);
      known = true;
    }
    if (!known) return make_error(Code::kInvalid, concat({"flag provided but not defined: -", name}));
  }
  return flags;
}

}  // namespace gabion::shim
