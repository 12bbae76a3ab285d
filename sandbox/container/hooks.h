// Runs OCI hooks in the runtime's namespaces: state on stdin, the hook's own environment only,
// cwd = the bundle (runc) — never a directory of the image — and no descriptor but 0, 1, 2.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "oci/spec.h"

namespace gabion::container {

// In order; the first failure stops. The error is runc's: "error running <kind> hook #<n>: ..."
// with the hook's stdout and stderr, the first 64 KiB of each. A hook past its timeout is killed
// with its process group. `opened`, by hook path (Survey::hooks): the binary that was judged is the
// one that runs, whatever its path leads to by now; an interpreted script still runs by its path,
// because the kernel refuses one behind a close-on-exec descriptor (execveat(2), BUGS).
Status run_hooks(const std::vector<oci::Hook>& hooks, std::string_view kind, std::string_view state_json,
                 const std::string& working_directory, const std::map<std::string, Fd>* opened = nullptr);

}  // namespace gabion::container
