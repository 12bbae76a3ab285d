#include "node/crypto.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace gabion::node {
namespace {

struct Field {
  std::string_view key;
  std::string_view value;
};

// "key<blanks>: value"; an empty key for another line.
Field parse_field(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {};
  return {trim(line.substr(0, colon)), trim(line.substr(colon + 1))};
}

bool is_algorithm(std::string_view name, std::string_view algorithm) {
  if (name.starts_with("__")) name.remove_prefix(2);  // the inner half of a driver, for the kernel only
  if (name == algorithm) return true;
  const size_t open = name.rfind('(');
  if (open == std::string_view::npos) return false;
  const std::string_view rest = name.substr(open + 1);
  return rest.substr(0, rest.find(')')) == algorithm;
}

}  // namespace

bool has_cpu_flag(std::string_view cpuinfo, std::string_view flag) {
  for (std::string_view line : split(cpuinfo, '\n')) {
    const Field field = parse_field(line);
    if (field.key != "flags" && field.key != "Features") continue;
    const std::vector<std::string_view> words = split(field.value, ' ');
    return std::find(words.begin(), words.end(), flag) != words.end();
  }
  return false;
}

std::vector<std::string> crypto_drivers(std::string_view crypto, std::string_view algorithm) {
  std::vector<std::pair<uint64_t, std::string>> found;
  std::string_view name;
  std::string_view driver;
  for (std::string_view line : split(crypto, '\n')) {
    const Field field = parse_field(line);
    if (field.key == "name") name = field.value;
    if (field.key == "driver") driver = field.value;
    if (field.key != "priority" || !is_algorithm(name, algorithm)) continue;
    found.emplace_back(parse_unsigned(field.value, UINT32_MAX).value_or(0), driver);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& left, const auto& right) { return left.first > right.first; });
  std::vector<std::string> drivers;
  drivers.reserve(found.size());
  for (auto& [priority, text] : found) drivers.push_back(std::move(text));
  return drivers;
}

bool is_generic_driver(std::string_view driver) {
  return driver.find("generic") != std::string_view::npos ||
         driver.find("fixed-time") != std::string_view::npos;
}

}  // namespace gabion::node
