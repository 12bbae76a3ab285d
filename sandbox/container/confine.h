// What confines a process beyond its credentials and filters: Landlock, and memory that is never writable
// and then executable.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "container/plan.h"
#include "oci/spec.h"
#include "policy/harden.h"

namespace gabion::container {

// Fills what the controls ask of the process, for the first as for those of exec. Code::kUnsupported: this
// kernel has not what the policy requires; the error names the control, the reason and the way out.
Status plan_confinement(ProcessPlan& process, const oci::Spec& spec, const policy::Controls& controls);

// Opens the places of the container in its own root, which the caller must have entered, while the host's
// rights are still held: directories may be closed to the process's user. Invalid where Landlock is not asked
// for. `proc` is a private procfs of the process's pid namespace.
//
// process.landlock then says what was found: paths without links, and the mounts. For exec that is what it
// starts from, because since then the links, the directories and which of them a path leads to are the
// container's; what is no longer as it was found gets no right.
Result<Fd> open_landlock(ProcessPlan& process, int proc);

// For good, and for all that the process executes and starts: with no_new_privs, or with CAP_SYS_ADMIN in its
// user namespace; and before the filters, which may forbid these calls.
Status confine(const ProcessPlan& process);

}  // namespace gabion::container
