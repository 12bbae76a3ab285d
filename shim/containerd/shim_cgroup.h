// The option ShimCgroup: the control group a pod's shim itself is in, so that its memory and time are counted
// where the administrator wants them. Containers have groups of their own.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "shim/containerd/proto/runtime.h"

namespace gabion::shim {

// What `start` is told of it: by containerd 2.3 and later in BootstrapParams, by others as the Any on
// standard input. "": nothing. Pure.
std::string shim_cgroup(const std::optional<proto::BootstrapParams>& params, std::string_view input);

// The group's files that take a pid, in each hierarchy that has it. None has it: Code::kNotFound; groups are
// made and removed by who names them.
Result<std::vector<Fd>> open_shim_cgroup(const std::string& path);
Status join_shim_cgroup(const std::vector<Fd>& files, pid_t pid);

}  // namespace gabion::shim
