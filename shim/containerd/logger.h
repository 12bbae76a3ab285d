// binary:// addresses: a program of the node's that takes a process's output, as root. Only those that the
// policy's "loggers" name (CVE-2026-53488: a label of an image could become such an address).
//
// The program gets what containerd's own shim gives it: standard output on 3, standard error on 4, and on 5
// what it closes when it is ready; CONTAINER_ID and CONTAINER_NAMESPACE; and of binary:///PATH?name=value the
// words name and value.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "container/container.h"

namespace gabion::shim {

struct LoggerAddress {
  std::string path;
  std::vector<std::string> arguments;
};
// Code::kInvalid: no such address.
Result<LoggerAddress> parse_logger(std::string_view address);

// In a worker: starts the program, puts the pipes to it on 1 and 2, and makes the process that has them.
// Without an address only the last. Code::kRefused unless the policy names the program; an error, too, when
// it is not ready within ten seconds. A program whose process was not made is killed.
Result<std::string> with_logger(const container::Host& host, const std::string& address,
                                const std::string& id,
                                const std::function<Result<std::string>()>& make_process);

}  // namespace gabion::shim
