// The checks of a JSON text that need no parser, and that yajl does not make.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace gabion::json {

struct TextFlaw {
  size_t offset = 0;
  std::string_view reason;  // a literal
};

// NUL (raw and \u0000), invalid UTF-8 (overlong forms, surrogates, beyond U+10FFFF: yajl looks only
// at the shape of a sequence), unpaired \u surrogates (yajl makes them '?'), and the vertical tab and
// form feed that yajl takes for white space and Go does not.
std::optional<TextFlaw> find_text_flaw(std::string_view text, bool comments_allowed);

// The offset of the first byte that is not part of a UTF-8 sequence.
std::optional<size_t> find_invalid_utf8(std::string_view text);

// The length of the UTF-8 sequence at the start of `text`, 0 if it is not one.
size_t utf8_length(std::string_view text);

}  // namespace gabion::json
