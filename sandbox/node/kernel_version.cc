#include "node/kernel_version.h"

#include <sys/utsname.h>

#include "base/text.h"

namespace gabion::node {
namespace {

std::string_view take_number(std::string_view& text) {
  size_t length = 0;
  while (length < text.size() && text[length] >= '0' && text[length] <= '9') ++length;
  const std::string_view number = text.substr(0, length);
  text.remove_prefix(length);
  return number;
}

}  // namespace

std::optional<KernelVersion> parse_kernel_version(std::string_view release) {
  const std::optional<uint64_t> first = parse_unsigned(take_number(release), UINT32_MAX);
  if (!first || !release.starts_with('.')) return std::nullopt;
  release.remove_prefix(1);
  const std::optional<uint64_t> second = parse_unsigned(take_number(release), UINT32_MAX);
  if (!second) return std::nullopt;
  return KernelVersion{static_cast<uint32_t>(*first), static_cast<uint32_t>(*second)};
}

std::string kernel_release() {
  utsname names{};
  return ::uname(&names) == 0 ? names.release : "";
}

}  // namespace gabion::node
