// `ps`: the processes of a container as `ps -ef` shows them, read from /proc.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gabion::cli {

// Runs with the columns UID PID PPID C STIME TTY TIME CMD. A process that exits meanwhile is left
// out.
std::string process_table(const std::vector<pid_t>& pids);

// The header line and the lines of `output` (what ps(1) printed) whose PID column is one of `pids`.
// Code::kInvalid: no PID column.
Result<std::string> filter_ps_output(std::string_view output, const std::vector<pid_t>& pids);

}  // namespace gabion::cli
