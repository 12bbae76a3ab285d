#include "shim/cli/info_document.h"

namespace gabion::cli {

json::Value info_document(const container::Info& info) {
  json::Value document = json::Value::object();
  document.set("ociVersion", json::Value::string(info.oci_version));
  document.set("id", json::Value::string(info.id));
  document.set("pid", json::Value::integer(info.pid));
  document.set("status", json::Value::string(std::string(container::status_name(info.status))));
  document.set("bundle", json::Value::string(info.bundle));
  document.set("rootfs", json::Value::string(info.rootfs));
  document.set("created", json::Value::string(info.created));
  if (!info.annotations.empty()) {
    json::Value annotations = json::Value::object();
    for (const auto& [key, value] : info.annotations) annotations.set(key, json::Value::string(value));
    document.set("annotations", std::move(annotations));
  }
  document.set("owner", json::Value::string(info.owner));
  return document;
}

std::string indent_by(const json::Value& value, size_t width) {
  const std::string tabs = json::write(value, json::Style::kIndented);
  std::string text;
  text.reserve(tabs.size() * 2);
  // Inside a JSON string a tab or a newline is an escape, so only indentation is touched.
  for (char c : tabs) {
    if (c == '\t') {
      text.append(width, ' ');
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace gabion::cli
