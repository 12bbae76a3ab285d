// Seccomp profiles that a policy names: files of the node, read with the care the policy itself is read with,
// because whoever writes one decides what a workload may call.
//
// The form is linux.seccomp's and Docker's without its conditions: what is not understood is an error, since
// a rule that another reader would skip ("includes", "excludes") must not become one that always holds.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "oci/spec.h"
#include "policy/facts.h"
#include "policy/policy.h"

namespace gabion::policy {

// Reads `path`: a regular file (no symbolic link) of root's, writable by root alone as every directory above
// it is, at most 1 MiB. What is wrong is the fact's error, with what to do about it.
SeccompFileFact read_seccomp_file(const std::string& path);

// Code::kInvalid: no profile, or one that could not be stacked: SCMP_ACT_NOTIFY and SCMP_ACT_TRACE have
// nobody to answer them, and without seccomp and execve the container would not come to its program. `name`
// begins every error.
Result<oci::Seccomp> parse_seccomp_file(std::string_view text, std::string_view name);

// "" when the file is what the policy pins, else what is wrong and what to do.
std::string object_to(const PinnedFile& pinned, const SeccompFileFact& fact);

// Every file the policy and its exceptions name; the first that cannot be used is the error.
Status check_seccomp_files(const Policy& policy);

}  // namespace gabion::policy
