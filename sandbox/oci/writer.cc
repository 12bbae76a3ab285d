#include "oci/writer.h"

#include <concepts>
#include <map>
#include <optional>
#include <type_traits>

#include "oci/schema_linux.h"
#include "oci/schema_process.h"
#include "oci/schema_resources.h"

namespace gabion::oci {

namespace {

json::Value to_json(bool value) { return json::Value::boolean(value); }
json::Value to_json(const std::string& value) { return json::Value::string(value); }
json::Value to_json(NamespaceType type) { return json::Value::string(std::string(namespace_name(type))); }
json::Value to_json(const std::vector<std::pair<std::string, std::string>>& pairs);

template <std::signed_integral T>
json::Value to_json(T value) {
  return json::Value::integer(value);
}

template <std::unsigned_integral T>
json::Value to_json(T value) {
  return json::Value::unsigned_integer(value);
}

template <typename T>
json::Value to_json(const std::vector<T>& list);
template <typename T>
json::Value to_json(const std::map<std::string, T>& map);
template <typename T>
  requires std::is_class_v<T>
json::Value to_json(const T& object);

class FieldWriter {
 public:
  template <typename T>
  void always(std::string_view key, const T& member) {
    object_.add(std::string(key), to_json(member));
  }

  // A present optional is written even when it holds a zero: that is what it is there to tell.
  template <typename T>
  void field(std::string_view key, const std::optional<T>& member) {
    if (member) always(key, *member);
  }

  template <typename T>
  void field(std::string_view key, const T& member) {
    if (member != T{}) always(key, member);
  }

  template <typename T>
  void wrapped(std::string_view key, std::string_view inner, const std::optional<T>& member) {
    if (!member) return;
    json::Value object = json::Value::object();
    object.add(std::string(inner), to_json(*member));
    object_.add(std::string(key), std::move(object));
  }

  void presence(std::string_view key, bool present) {
    if (present) object_.add(std::string(key), json::Value::object());
  }

  json::Value take() { return std::move(object_); }

 private:
  json::Value object_ = json::Value::object();
};

json::Value to_json(const std::vector<std::pair<std::string, std::string>>& pairs) {
  json::Value object = json::Value::object();
  for (const auto& [key, value] : pairs) object.add(key, json::Value::string(value));
  return object;
}

template <typename T>
json::Value to_json(const std::vector<T>& list) {
  json::Value array = json::Value::array();
  for (const T& item : list) array.push(to_json(item));
  return array;
}

template <typename T>
json::Value to_json(const std::map<std::string, T>& map) {
  json::Value object = json::Value::object();
  for (const auto& [key, value] : map) object.add(key, to_json(value));
  return object;
}

template <typename T>
  requires std::is_class_v<T>
json::Value to_json(const T& object) {
  FieldWriter writer;
  fields(writer, object);
  return writer.take();
}

}  // namespace

json::Value write_spec(const Spec& spec) { return to_json(spec); }

json::Value write_process(const Process& process) { return to_json(process); }

json::Value write_resources(const Resources& resources) { return to_json(resources); }

}  // namespace gabion::oci
