// What the keys of a policy file are read with, and what its parts share. Only the files of the reader
// include this.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "oci/names.h"
#include "policy/policy.h"
#include "policy/values.h"

namespace gabion::policy {

template <typename T>
struct Field {
  std::string_view key;
  Status (*read)(const json::Value&, std::string_view where, T&);
};

// Runs the row of every member. An unknown key is an error, so that a misspelt control cannot be
// taken for one that is in force.
template <typename T, size_t N>
Status read_object(const json::Value& object, std::string_view where, const std::array<Field<T>, N>& fields,
                   T& into) {
  TRY(expect(object, json::Value::Kind::kObject, where));
  for (const auto& [key, value] : object.members()) {
    const auto row =
        std::find_if(fields.begin(), fields.end(), [&](const Field<T>& field) { return field.key == key; });
    if (row == fields.end()) {
      std::array<std::string_view, N> known;
      std::transform(fields.begin(), fields.end(), known.begin(),
                     [](const Field<T>& field) { return field.key; });
      return unknown_word(where, "key", key, known);
    }
    TRY(row->read(value, at_key(where, key), into));
  }
  return ok_status();
}

template <auto Member, typename T>
Status read_bool(const json::Value& value, std::string_view where, T& into) {
  into.*Member = TRY(to_bool(value, where));
  return ok_status();
}

template <auto Member, typename T>
Status read_text(const json::Value& value, std::string_view where, T& into) {
  into.*Member = TRY(to_text(value, where));
  return ok_status();
}

template <auto Member, typename T>
Status read_list(const json::Value& value, std::string_view where, T& into) {
  into.*Member = TRY(to_list(value, where, into.*Member));
  return ok_status();
}

template <auto Member, typename T>
Status read_paths(const json::Value& value, std::string_view where, T& into) {
  into.*Member = TRY(to_list(value, where, into.*Member));
  return check_paths(into.*Member, where);
}

template <auto Member, typename T>
Status read_size(const json::Value& value, std::string_view where, T& into) {
  into.*Member = TRY(to_bytes(value, where));
  return ok_status();
}

// Every word is one of `known`.
Status check_words(const std::vector<std::string>& words, std::span<const std::string_view> known,
                   std::string_view kind, std::string_view where);

template <auto Member, typename T>
Status read_capabilities(const json::Value& value, std::string_view where, T& into) {
  into.*Member = TRY(to_list(value, where, into.*Member));
  return check_words(into.*Member, oci::names::kCapabilities, "capability", where);
}

template <auto Member, typename T>
Status read_sha256(const json::Value& value, std::string_view where, T& into) {
  into.*Member = TRY(to_sha256(value, where));
  return ok_status();
}

// [{"file": "/etc/gabion/seccomp/x.json", "sha256": "..."}], the hash optional.
Result<std::vector<PinnedFile>> to_pinned_files(const json::Value& value, std::string_view where);

template <typename T>
Status read_seccomp_files(const json::Value& value, std::string_view where, T& into) {
  into.seccomp_filters = TRY(to_pinned_files(value, where));
  return ok_status();
}

Result<std::pair<Rule, Mode>> read_rule(std::string_view name, const json::Value& value,
                                        std::string_view where);
Result<std::vector<DeviceGrant>> to_devices(const json::Value& value, std::string_view where);

template <typename T>
Status read_devices(const json::Value& value, std::string_view where, T& into) {
  into.devices = TRY(to_devices(value, where));
  return ok_status();
}

Status read_loggers(const json::Value& value, std::string_view where, Policy& policy);
Status read_hooks(const json::Value& value, std::string_view where, Policy& policy);
Status read_exceptions(const json::Value& value, std::string_view where, Policy& policy);

}  // namespace gabion::policy
