// Value → text.
#include <array>

#include "base/json.h"

namespace gabion::json {

namespace {

// DEL as well as the control characters: what we print may reach a terminal.
constexpr bool needs_escape(unsigned char byte) {
  return byte < 0x20 || byte == 0x7f || byte == '"' || byte == '\\';
}

void append_escape(std::string& out, unsigned char byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  switch (byte) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 0xf];
  }
}

constexpr std::array<bool, 256> kNeedsEscape = [] {
  std::array<bool, 256> table{};
  for (size_t byte = 0; byte < table.size(); ++byte)
    table[byte] = needs_escape(static_cast<unsigned char>(byte));
  return table;
}();

void append_escaped(std::string& out, std::string_view text) {
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (!kNeedsEscape[byte]) continue;
    out += text.substr(start, i - start);
    append_escape(out, byte);
    start = i + 1;
  }
  out += text.substr(start);
}

class Writer {
 public:
  explicit Writer(Style style) : indented_(style == Style::kIndented) {}

  void value(const Value& value) {
    switch (value.kind()) {
      case Value::Kind::kNull:
        out_ += "null";
        break;
      case Value::Kind::kBool:
        out_ += value.as_bool() ? "true" : "false";
        break;
      case Value::Kind::kNumber:
        out_ += value.text();
        break;
      case Value::Kind::kString:
        string(value.text());
        break;
      case Value::Kind::kArray:
        list('[', ']', value.items(), [this](const Value& item) { this->value(item); });
        break;
      case Value::Kind::kObject:
        list('{', '}', value.members(), [this](const Member& member) {
          string(member.first);
          out_ += indented_ ? ": " : ":";
          this->value(member.second);
        });
        break;
    }
  }

  std::string take() { return std::move(out_); }

 private:
  void string(std::string_view text) {
    out_ += '"';
    append_escaped(out_, text);
    out_ += '"';
  }

  template <typename List, typename Each>
  void list(char open, char close, const List& list, Each each) {
    out_ += open;
    ++depth_;
    bool first = true;
    for (const auto& item : list) {
      if (!first) out_ += ',';
      first = false;
      new_line();
      each(item);
    }
    --depth_;
    if (!first) new_line();
    out_ += close;
  }

  void new_line() {
    if (!indented_) return;
    out_ += '\n';
    out_.append(depth_, '\t');
  }

  bool indented_;
  size_t depth_ = 0;
  std::string out_;
};

}  // namespace

std::string write(const Value& value, Style style) {
  Writer writer(style);
  writer.value(value);
  return writer.take();
}

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  append_escaped(out, text);
  return out;
}

}  // namespace gabion::json
