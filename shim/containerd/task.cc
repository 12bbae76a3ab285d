#include "shim/containerd/task.h"

#include <algorithm>

#include "base/text.h"

namespace gabion::shim {

Result<Process*> Container::process(const std::string& exec_id) {
  if (exec_id.empty()) return &first;
  const auto found = execs.find(exec_id);
  if (found == execs.end()) {
    return make_error(Code::kNotFound, concat({"process does not exist ", exec_id, ": not found"}));
  }
  return found->second.get();
}

bool Container::has_living_exec() const {
  return std::any_of(execs.begin(), execs.end(), [](const auto& entry) {
    const Process& process = *entry.second;
    return process.pid != 0 && !process.exit && process.phase != Phase::kStopped;
  });
}

}  // namespace gabion::shim
