#include "shim/cli/table.h"

#include <algorithm>

namespace gabion::cli {

namespace {

// UTF-8 continuation bytes take no column of their own.
size_t columns(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::string format_table(const std::vector<std::vector<std::string>>& rows, size_t min_width, size_t gap) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), min_width);
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]) + gap);
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text.append(widths[i] - columns(row[i]), ' ');
    }
    text += '\n';
  }
  return text;
}

std::string wrap(std::string_view text, size_t width, size_t indent) {
  std::string lines;
  size_t used = 0;
  size_t start = 0;
  while (start < text.size()) {
    const size_t end = std::min(text.find(' ', start), text.size());
    const std::string_view word = text.substr(start, end - start);
    if (used > 0 && used + 1 + columns(word) > width) {
      lines += '\n';
      lines.append(indent, ' ');
      used = 0;
    } else if (used > 0) {
      lines += ' ';
      ++used;
    }
    lines += word;
    used += columns(word);
    start = end + 1;
  }
  return lines;
}

}  // namespace gabion::cli
