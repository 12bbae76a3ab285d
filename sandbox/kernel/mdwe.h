// Memory that is deny-write-execute: no page of the process becomes executable that it could have written
// (PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN; Linux 6.3). mmap(2) of memory both writable and executable, and
// mprotect(2) that makes executable what was not, are EACCES. It stays across fork(2) and execve(2) and
// cannot be lifted. Programs that compile while they run (Java, Node.js, LuaJIT) need what it forbids.
#pragma once

#include "base/result.h"

namespace gabion::kernel {

// Code::kUnsupported with the reason and the cure on a kernel that has no such control.
Status check_mdwe();

// For the calling process, for good.
Status refuse_exec_gain();

}  // namespace gabion::kernel
