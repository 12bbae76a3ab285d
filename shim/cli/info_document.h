// What `state` and `list --format json` print: runc's fields, in its order.
#pragma once

#include "base/json.h"
#include "container/container.h"

namespace gabion::cli {

json::Value info_document(const container::Info& info);

// JSON indented by `width` blanks a level; json::write indents by tabs.
std::string indent_by(const json::Value& value, size_t width);

}  // namespace gabion::cli
