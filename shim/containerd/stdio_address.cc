#include "shim/containerd/stdio_address.h"

#include "base/text.h"

namespace gabion::shim {

Result<StdioAddress> parse_stdio_address(const std::string& text) {
  using Kind = StdioAddress::Kind;
  if (text.empty()) return StdioAddress{};
  const size_t colon = text.find("://");
  const std::string scheme = colon == std::string::npos ? "fifo" : text.substr(0, colon);
  if (scheme == "binary") return StdioAddress{Kind::kLogger, text};
  if (scheme != "fifo" && scheme != "file") {
    return make_error(Code::kInvalid, concat({"stdio: unknown scheme \"", scheme, "\" in ", text}));
  }
  std::string path = colon == std::string::npos ? text : text.substr(colon + 3);
  path = path.substr(0, path.find('?'));
  if (path.empty() || path[0] != '/' || path.find('\0') != std::string::npos) {
    return make_error(Code::kInvalid, concat({"stdio: ", text, " is not an absolute path"}));
  }
  return StdioAddress{scheme == "file" ? Kind::kFile : Kind::kFifo, std::move(path)};
}

}  // namespace gabion::shim
