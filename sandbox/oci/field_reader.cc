#include "oci/field_reader.h"

namespace gabion::oci {

void DocumentReader::fail(std::string_view reason) {
  if (error_) return;
  std::string context;
  for (const Step& step : path_) {
    if (step.kind == Step::Kind::kIndex) {
      context += "[" + std::to_string(step.index) + "]";
    } else if (step.kind == Step::Kind::kMapKey) {
      // A name the document's author chose: quoted, and short.
      context += "[\"" + json::escape(step.key.substr(0, 64)) + "\"]";
    } else {
      if (!context.empty()) context += ".";
      context += step.key;
    }
  }
  if (!context.empty()) context += ": ";
  context += reason;
  error_ = make_error(Code::kInvalid, std::move(context));
}

bool DocumentReader::expect(const json::Value& value, json::Value::Kind kind) {
  if (value.is(kind)) return true;
  bool vowel = kind == json::Value::Kind::kArray || kind == json::Value::Kind::kObject;
  std::string reason = vowel ? "expected an " : "expected a ";
  reason += json::kind_name(kind);
  reason += ", found ";
  reason += json::kind_name(value.kind());
  fail(reason);
  return false;
}

void DocumentReader::read(const json::Value& value, bool& out) {
  if (expect(value, json::Value::Kind::kBool)) out = value.as_bool();
}

void DocumentReader::read(const json::Value& value, std::string& out) {
  if (expect(value, json::Value::Kind::kString)) out = value.text();
}

void DocumentReader::read(const json::Value& value, NamespaceType& out) {
  if (!expect(value, json::Value::Kind::kString)) return;
  for (const auto& [name, type] : kNamespaceNames) {
    if (name == value.text()) {
      out = type;
      return;
    }
  }
  fail("namespace \"" + json::escape(value.text().substr(0, 64)) + "\" does not exist");
}

void DocumentReader::read(const json::Value& value, Pairs& out) {
  if (!expect(value, json::Value::Kind::kObject)) return;
  out.reserve(value.members().size());
  for (const auto& [key, item] : value.members()) {
    if (error_) break;
    path_.push_back(Step{.key = key, .index = 0, .kind = Step::Kind::kMapKey});
    read(item, out.emplace_back(key, "").second);
    path_.pop_back();
  }
}

void DocumentReader::read_signed(const json::Value& value, int64_t low, int64_t high, int64_t& out) {
  if (!expect(value, json::Value::Kind::kNumber)) return;
  auto number = value.as_int64();
  if (number.ok() && *number >= low && *number <= high) {
    out = *number;
    return;
  }
  fail("expected a whole number from " + std::to_string(low) + " to " + std::to_string(high) + ", found " +
       value.text().substr(0, 40));
}

void DocumentReader::read_unsigned(const json::Value& value, uint64_t high, uint64_t& out) {
  if (!expect(value, json::Value::Kind::kNumber)) return;
  auto number = value.as_uint64();
  if (number.ok() && *number <= high) {
    out = *number;
    return;
  }
  fail("expected a whole number from 0 to " + std::to_string(high) + ", found " + value.text().substr(0, 40));
}

}  // namespace gabion::oci
