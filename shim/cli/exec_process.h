// exec's flags over the container's own process: what runs, before the policy has seen it.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "oci/spec.h"
#include "shim/cli/flags.h"

namespace gabion::cli {

// Identity and environment are the container's unless a flag says otherwise; the terminal is only
// what --tty says; `command` is the program and its arguments. Pure.
Result<oci::Process> merge_exec(const oci::Process& container, const Arguments& arguments,
                                std::span<const std::string> command);

}  // namespace gabion::cli
