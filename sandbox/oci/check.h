// What the specification requires of a Spec beyond its types, and what gabion does not support.
// Pure. Policy has not been asked yet.
#pragma once

#include "base/result.h"
#include "oci/spec.h"

namespace gabion::oci {

// Code::kInvalid: a "MUST" of the specification is broken (version, absolute cwd, relative root,
// duplicate namespaces, mappings without a user namespace, ...), in runc's words where runc has
// them. Code::kUnsupported: a field gabion does not implement is set, named ("linux.intelRdt").
Status check_spec(const Spec& spec);
Status check_process(const Process& process);
Status check_seccomp(const Seccomp& seccomp);        // part of check_spec; alone for a policy's profiles
Status check_resources(const Resources& resources);  // part of check_spec; alone for `update`

}  // namespace gabion::oci
