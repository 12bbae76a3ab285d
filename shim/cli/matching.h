// delete --regex, kill --regex: crun's way to name several containers at once.
#pragma once

#include <string>
#include <vector>

#include "container/container.h"

namespace gabion::cli {

// The ids in which the POSIX extended regular expression is found. Code::kInvalid: not one.
Result<std::vector<std::string>> matching_ids(const container::Host& host, const std::string& expression);

}  // namespace gabion::cli
