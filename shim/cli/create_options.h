// The flags create and run share.
#pragma once

#include "container/container.h"
#include "shim/cli/flags.h"

namespace gabion::cli {

inline constexpr Flag kBundleFlag = {"bundle", 'b', FlagKind::kText, "DIR",
                                     "directory that holds config.json (default: the current one)"};
inline constexpr Flag kConfigFlag = {
    "config", 'f', FlagKind::kText, "FILE",
    "configuration, in the bundle or by absolute path (default: config.json)"};
inline constexpr Flag kConsoleSocketFlag = {"console-socket", 0, FlagKind::kText, "SOCKET",
                                            "unix socket that receives the console's pseudo-terminal"};
inline constexpr Flag kPidfdSocketFlag = {"pidfd-socket", 0, FlagKind::kText, "SOCKET",
                                          "unix socket that receives a pidfd of the process"};
inline constexpr Flag kPidFileFlag = {"pid-file", 0, FlagKind::kText, "FILE", "write the process id to FILE"};
inline constexpr Flag kPreserveFdsFlag = {"preserve-fds", 0, FlagKind::kCount, "N",
                                          "pass N descriptors, from 3 on, to the process (default: 0)"};
inline constexpr Flag kNoPivotFlag = {"no-pivot", 0, FlagKind::kSwitch, nullptr,
                                      "do not use pivot_root: for a root on a ramdisk"};
inline constexpr Flag kNoNewKeyringFlag = {"no-new-keyring", 0, FlagKind::kSwitch, nullptr,
                                           "keep the caller's session keyring"};
// runc's flag; engines send it, and there is nothing to switch off.
inline constexpr Flag kNoSubreaperFlag = {"no-subreaper", 0, FlagKind::kSwitch, nullptr, nullptr};

Result<container::CreateOptions> create_options(const Arguments& arguments);

}  // namespace gabion::cli
