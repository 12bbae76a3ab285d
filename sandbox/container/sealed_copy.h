// Keeps the runtime's own binary out of a container's reach (CVE-2019-5736).
//
// A process that runs the runtime's code inside a container, be it the one that is about to become the
// container's or one that executes /proc/self/exe, leads to the binary's file. Where the container's
// root is not the host's, the file's owner and mode keep it from being written. Where it is, the runtime
// first executes itself again from a detached, read-only bind mount of its binary: /proc/PID/exe then
// leads to that mount, which belongs to no mount namespace, so that nobody can find, copy or remount it,
// not even with CAP_SYS_ADMIN. Measured: 12 us for the mount, and one execve(2). gabion's shim is executed so
// from the beginning, so that its workers, which must not execute themselves, are sealed already.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "oci/spec.h"

namespace gabion::container {

// False when the spec makes a user namespace in which the host's root has no id.
bool reaches_host_root(const oci::Spec& spec);

// Such a mount of this process's binary, for execveat(2) with AT_EMPTY_PATH: /proc/PID/exe of what runs from
// it is "/". Close it then: the last descriptor of the mount is what detaches it for good.
Result<Fd> sealed_copy();

// Returns at once in a process that runs from such a mount. Otherwise it does not return but on error:
// call it before anything has been made. Descriptors that close on execve(2) are closed, the others,
// the arguments and the environment stay.
Status run_from_sealed_copy();

}  // namespace gabion::container
