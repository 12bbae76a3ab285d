#include "node/engine_config.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"

namespace gabion::node {
namespace {

bool is_gabions(const EngineRuntime& runtime) {
  const std::string_view path = runtime.path;
  const size_t slash = path.rfind('/');
  const std::string_view file = slash == std::string_view::npos ? path : path.substr(slash + 1);
  return runtime.name.find("gabion") != std::string::npos || file.find("gabion") != std::string_view::npos;
}

// The program of gabion's own shim, where a runtime's type asks for it; "" for another type.
std::string_view program_of_type(std::string_view type) {
  return type == "io.containerd.gabion.v2" ? "containerd-shim-gabion-v2" : "";
}

std::string text_of(const json::Value& object, std::string_view key) {
  const json::Value* value = object.find(key);
  return value == nullptr ? "" : value->text();
}

// --- TOML, as far as it goes ------------------------------------------------------------------------

std::string_view without_comment(std::string_view line) {
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#') {
      return line.substr(0, i);
    }
  }
  return line;
}

// The value of `key` on this line, quotes taken off; "" when the line has no such key.
std::string_view value_of(std::string_view line, std::string_view key) {
  const size_t found = line.find(key);
  if (found == std::string_view::npos) return "";
  const char before = found == 0 ? ' ' : line[found - 1];
  if (before != ' ' && before != '\t' && before != '{' && before != ',') return "";
  std::string_view rest = trim(line.substr(found + key.size()));
  if (!rest.starts_with('=')) return "";
  rest = trim(rest.substr(1));
  if (rest.starts_with('"') || rest.starts_with('\'')) return rest.substr(1, rest.find(rest[0], 1) - 1);
  return trim(rest.substr(0, rest.find_first_of(",}")));
}

// "gabion" of `[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.gabion.options]`; "" elsewhere.
std::string_view runtime_of(std::string_view table) {
  constexpr std::string_view kParent = ".runtimes.";
  const size_t found = table.find(kParent);
  if (found == std::string_view::npos) return "";
  const std::string_view rest = table.substr(found + kParent.size());
  const std::string_view name = rest.substr(0, rest.find_first_of(".]"));
  const bool quoted = name.size() > 1 && (name.front() == '"' || name.front() == '\'');
  return quoted ? name.substr(1, name.size() - 2) : name;
}

}  // namespace

Result<EngineConfig> parse_docker_config(std::string_view text, std::string_view name) {
  const json::Value document = TRY(json::parse(text, name));
  if (!document.is(json::Value::Kind::kObject)) {
    return make_error(Code::kInvalid, concat({name, ": not a JSON object"}));
  }
  EngineConfig config;
  config.default_runtime = text_of(document, "default-runtime");
  config.data_directory = text_of(document, "data-root");
  constexpr std::string_view kDriver = "native.cgroupdriver=";
  if (const json::Value* options = document.find("exec-opts")) {
    for (const json::Value& option : options->items()) {
      if (option.text().starts_with(kDriver)) config.cgroup_driver = option.text().substr(kDriver.size());
    }
  }
  const json::Value* runtimes = document.find("runtimes");
  if (runtimes == nullptr) return config;
  for (const auto& [key, value] : runtimes->members()) {
    EngineRuntime runtime{.name = key, .path = text_of(value, "path")};
    if (runtime.path.empty()) runtime.path = program_of_type(text_of(value, "runtimeType"));
    if (const json::Value* arguments = value.find("runtimeArgs")) {
      const std::vector<json::Value>& words = arguments->items();
      runtime.systemd_cgroups = std::any_of(words.begin(), words.end(), [](const json::Value& word) {
        return word.text() == "--systemd-cgroup" || word.text() == "--systemd-cgroup=true";
      });
    }
    if (is_gabions(runtime) && !runtime.path.empty()) config.runtimes.push_back(std::move(runtime));
  }
  return config;
}

EngineConfig parse_containerd_config(std::string_view text) {
  EngineConfig config;
  std::string_view table;
  EngineRuntime current;
  const auto close = [&]() {
    // The options of a runtime are in a table of their own.
    const auto known = std::find_if(config.runtimes.begin(), config.runtimes.end(),
                                    [&](const EngineRuntime& one) { return one.name == current.name; });
    if (known != config.runtimes.end()) {
      known->systemd_cgroups = known->systemd_cgroups || current.systemd_cgroups;
      if (!current.path.empty()) known->path = current.path;
    } else if (!current.path.empty() && is_gabions(current)) {
      config.runtimes.push_back(current);
    }
    current.path.clear();
    current.systemd_cgroups = false;
  };
  for (std::string_view whole : split(text, '\n')) {
    const std::string_view line = trim(without_comment(whole));
    if (line.starts_with('[')) {
      close();
      table = line;
      current.name = runtime_of(table);
      continue;
    }
    if (const auto program = program_of_type(value_of(line, "runtime_type")); !program.empty())
      current.path = program;
    for (const std::string_view key : {"runtime_path", "BinaryName"}) {
      if (const auto path = value_of(line, key); !path.empty()) current.path = path;
    }
    if (value_of(line, "SystemdCgroup") == "true") current.systemd_cgroups = true;
    if (const auto name = value_of(line, "default_runtime_name"); !name.empty())
      config.default_runtime = name;
    if (table.empty() && line.starts_with("root")) config.data_directory = value_of(line, "root");
  }
  close();
  return config;
}

}  // namespace gabion::node
