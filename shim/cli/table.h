// Text in columns.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gabion::cli {

// Columns at least `min_width` wide and `gap` blanks apart, the last one not padded: Go's
// text/tabwriter as runc uses it.
std::string format_table(const std::vector<std::vector<std::string>>& rows, size_t min_width, size_t gap);

// `text` broken at blanks into lines of at most `width` columns (a longer word is left whole), every
// line after the first indented by `indent`. Columns are counted as code points.
std::string wrap(std::string_view text, size_t width, size_t indent);

}  // namespace gabion::cli
