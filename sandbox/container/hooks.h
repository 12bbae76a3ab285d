// Runs OCI hooks in the runtime's namespaces: state on stdin, the hook's own environment only,
// cwd = the bundle (runc) — never a directory of the image — and no descriptor but 0, 1, 2.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/spec.h"

namespace gabion::container {

// In order; the first failure stops. The error is runc's: "error running <kind> hook #<n>: ..."
// with the hook's stderr. A hook past its timeout is killed with its process group.
Status run_hooks(const std::vector<oci::Hook>& hooks, std::string_view kind, std::string_view state_json,
                 const std::string& working_directory);

}  // namespace gabion::container
