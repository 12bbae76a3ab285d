// update's flags as OCI resources: only what was named is set.
#pragma once

#include "base/result.h"
#include "oci/spec.h"
#include "shim/cli/flags.h"

namespace gabion::cli {

inline constexpr Flag kUpdateFlags[] = {
    {"resources", 'r', FlagKind::kText, "FILE",
     "read OCI's linux.resources object from FILE, \"-\": the standard input; other flags are not allowed "
     "then"},
    {"memory", 0, FlagKind::kText, "BYTES", "memory limit; suffixes k, m, g; -1: none"},
    {"memory-reservation", 0, FlagKind::kText, "BYTES", "memory the group is left with under pressure"},
    {"memory-swap", 0, FlagKind::kText, "BYTES", "limit of memory and swap together; -1: none"},
    {"cpu-share", 0, FlagKind::kText, "N", "share of the CPU relative to other groups"},
    {"cpu-shares", 0, FlagKind::kText, "N", nullptr},
    {"cpu-quota", 0, FlagKind::kText, "MICROSECONDS", "CPU time in each period; -1: no limit"},
    {"cpu-period", 0, FlagKind::kText, "MICROSECONDS", "length of a period"},
    {"cpu-burst", 0, FlagKind::kText, "MICROSECONDS", "unused quota that may be saved up"},
    {"cpu-idle", 0, FlagKind::kText, "0|1", "1: run only when nothing else wants the CPU"},
    {"cpu-rt-period", 0, FlagKind::kText, "MICROSECONDS", "length of a period for real-time processes"},
    {"cpu-rt-runtime", 0, FlagKind::kText, "MICROSECONDS", "CPU time of real-time processes in each"},
    {"cpuset-cpus", 0, FlagKind::kText, "LIST", "CPUs to use (0-3,5)"},
    {"cpuset-mems", 0, FlagKind::kText, "LIST", "memory nodes to use"},
    {"pids-limit", 0, FlagKind::kText, "N", "most processes and threads; -1: no limit"},
    {"blkio-weight", 0, FlagKind::kText, "N", "share of block I/O, 10 to 1000"},
    {"kernel-memory", 0, FlagKind::kText, "BYTES", nullptr},
    {"kernel-memory-tcp", 0, FlagKind::kText, "BYTES", nullptr},
    {"l3-cache-schema", 0, FlagKind::kText, "SCHEMA", nullptr},
    {"mem-bw-schema", 0, FlagKind::kText, "SCHEMA", nullptr},
};

// Pure. Code::kInvalid, in runc's words, for a value out of range; Code::kUnsupported for a flag
// whose control gabion does not have.
Result<oci::Resources> resources_from_flags(const Arguments& arguments);

}  // namespace gabion::cli
