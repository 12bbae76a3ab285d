#include "node/engine_files.h"

#include <unistd.h>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"

namespace gabion::node {
namespace {

constexpr size_t kConfigLimit = size_t{4} << 20;
constexpr const char* kPrograms[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                     "/usr/bin",        "/sbin",          "/bin"};

std::string or_default(const std::string& path, const char* fallback) {
  return path.empty() ? fallback : path;
}

// nullopt: the default file is not there.
Result<std::optional<std::string>> read_config(const std::string& named, const char* fallback) {
  Result<std::string> text = read_file(or_default(named, fallback), kConfigLimit);
  if (text.ok()) return std::optional<std::string>(std::move(text).value());
  if (named.empty() && text.error().code == Code::kNotFound) return std::optional<std::string>();
  return std::move(text).error();
}

std::string data_directory(const Result<std::optional<EngineConfig>>& config, const char* fallback) {
  if (!config.ok() || !config->has_value()) return fallback;
  return or_default((*config)->data_directory, fallback);
}

}  // namespace

Result<std::optional<EngineConfig>> read_docker_config(const Request& request) {
  const std::optional<std::string> text = TRY(read_config(request.docker_config, kDockerConfig));
  // An empty file is none to Docker.
  if (!text || trim(*text).empty()) return std::optional<EngineConfig>();
  EngineConfig config = TRY(parse_docker_config(*text, or_default(request.docker_config, kDockerConfig)));
  return std::optional<EngineConfig>(std::move(config));
}

Result<std::optional<EngineConfig>> read_containerd_config(const Request& request) {
  const std::optional<std::string> text = TRY(read_config(request.containerd_config, kContainerdConfig));
  if (!text) return std::optional<EngineConfig>();
  return std::optional<EngineConfig>(parse_containerd_config(*text));
}

std::string docker_data_root(const Request& request) {
  return data_directory(read_docker_config(request), "/var/lib/docker");
}

std::string containerd_root(const Request& request) {
  return data_directory(read_containerd_config(request), "/var/lib/containerd");
}

std::string find_program(const std::string& path) {
  if (path.find('/') != std::string::npos) return path;
  for (const char* directory : kPrograms) {
    std::string candidate = join_path(directory, path);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

}  // namespace gabion::node
