// In the child, as the host's root and inside the new mount namespace: the container's tree.
#pragma once

#include <functional>

#include "base/fd.h"
#include "base/result.h"
#include "container/plan.h"

namespace gabion::container {

struct BuiltRoot {
  Fd root;    // the attached root mount; not yet "/"
  Fd proc;    // a private, detached procfs of the container's pid namespace: no path of the
              // container leads to it, so the runtime's writes cannot be redirected (CVE-2019-16884,
              // CVE-2025-52881)
  Fd devpts;  // root of the mount at /dev/pts; invalid when there is none
};

// Nothing mounted from here on travels to the host, and the host's later mounts not to here, or only in
// that direction where the spec wants them to arrive in the container.
Status part_from_host(const Plan& plan);

// What needs the host's rights over filesystems: makes the root mount and shifts what is to be
// shifted. Called by a process that is not yet in the container's user namespace.
Status prepare_trees(Plan& plan);

// After prepare_trees(): attaches the root filesystem and every mount, makes device nodes and links. Consumes
// the plan's descriptors. `join_cgroups` is called once, before the first mount that shows a cgroup or
// is written to.
Result<BuiltRoot> build_root(Plan& plan, const std::function<Status()>& join_cgroups);

// Masked and read-only paths, and the console if `console` is a descriptor (else -1). Before the
// pivot: masks are copies of a host file.
Status cover_paths(const Plan& plan, const BuiltRoot& built);
Status bind_console(const BuiltRoot& built, int console);

// A late read-only root.
Status close_root(const Plan& plan, const BuiltRoot& built);

// Makes `root` the process's root and forgets the host's.
Status enter_root(const Plan& plan, const BuiltRoot& built);

}  // namespace gabion::container
