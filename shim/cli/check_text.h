// What `check` shows: every finding, for a person or for a program.
#pragma once

#include <string>

#include "base/json.h"
#include "node/finding.h"

namespace gabion::cli {

// `colour`: with ANSI sequences; the only ones, whatever files and names hold.
std::string check_text(const node::Findings& findings, bool colour);
json::Value check_document(const node::Findings& findings);

}  // namespace gabion::cli
