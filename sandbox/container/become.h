// The last steps of a process on its way to being the container's: the same for the first process and
// for those exec adds. Order matters and is the security argument; become.cc says why at each step.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "container/plan.h"

namespace gabion::container {

// With the host's privileges still held: limits, scheduling, oom score, labels, keyring. `proc` is a
// private procfs of the process's pid namespace.
Status set_privileged_attributes(const ProcessPlan& process, int proc);

// Gives the pipes on descriptors 0, 1 and 2 to the process's user, so that it can reopen /dev/stdout.
Status give_stdio(const ProcessPlan& process, const NamespacePlan& namespaces);

// Enters the user namespace and takes the process's ids and capabilities. `proc` as above.
Status take_identity(const ProcessPlan& process, const NamespacePlan& namespaces, int proc);

// chdir(2) as the process's user, and proof that it is inside the root (CVE-2024-21626).
Status enter_working_directory(const ProcessPlan& process);

// $HOME as the container's own /etc/passwd has it for the process's user, else "/": engines leave it to
// the runtime. Inside the root and with the process's rights.
void set_home(ProcessPlan& process);

// args[0] as execvp(3) would find it with the process's own PATH and rights; runc's texts otherwise.
Result<std::string> find_executable(const ProcessPlan& process);

// Signals reset, the process's own capabilities, no_new_privs, Landlock and the filters, then execve(2).
// Returns only on error.
Error execute(const ProcessPlan& process, const std::string& path);

}  // namespace gabion::container
