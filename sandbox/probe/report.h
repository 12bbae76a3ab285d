// A report as a number, as text and as JSON.
#pragma once

#include <string>

#include "base/json.h"
#include "probe/check.h"

namespace gabion::probe {

// 100 when nothing is open, 0 when everything is: the share of the weights that is closed, rounded down, so
// that 100 is never said of a report with an opening that counts.
int score(const Checks& checks);

// Every check, or only what is open.
std::string report_text(const Report& report, bool everything);
json::Value report_document(const Report& report);

}  // namespace gabion::probe
