// checkpoint and restore: named, so that an engine that asks gets a reason, not a usage error.
#include "base/text.h"
#include "shim/cli/command.h"

namespace gabion::cli {

namespace {

Error unsupported(std::string_view command) {
  return make_error(Code::kUnsupported,
                    concat({command,
                            " is not supported yet: CRIU images hold a container's memory in the clear; "
                            "stop the container and create it anew instead"}));
}

Result<int> run_checkpoint(const Context& /*context*/, const Arguments& /*arguments*/) {
  return unsupported("checkpoint");
}
Result<int> run_restore(const Context& /*context*/, const Arguments& /*arguments*/) {
  return unsupported("restore");
}

// The flags engines send, so that the reason above is what they hear.
constexpr Flag kFlags[] = {
    {"image-path", 0, FlagKind::kText, "DIR", nullptr},
    {"work-path", 0, FlagKind::kText, "DIR", nullptr},
    {"parent-path", 0, FlagKind::kText, "DIR", nullptr},
    {"leave-running", 0, FlagKind::kSwitch, nullptr, nullptr},
    {"tcp-established", 0, FlagKind::kSwitch, nullptr, nullptr},
    {"tcp-skip-in-flight", 0, FlagKind::kSwitch, nullptr, nullptr},
    {"link-remap", 0, FlagKind::kSwitch, nullptr, nullptr},
    {"ext-unix-sk", 0, FlagKind::kSwitch, nullptr, nullptr},
    {"shell-job", 0, FlagKind::kSwitch, nullptr, nullptr},
    {"lazy-pages", 0, FlagKind::kSwitch, nullptr, nullptr},
    {"status-fd", 0, FlagKind::kText, "FD", nullptr},
    {"page-server", 0, FlagKind::kText, "ADDRESS", nullptr},
    {"file-locks", 0, FlagKind::kSwitch, nullptr, nullptr},
    {"pre-dump", 0, FlagKind::kSwitch, nullptr, nullptr},
    {"manage-cgroups-mode", 0, FlagKind::kText, "MODE", nullptr},
    {"empty-ns", 0, FlagKind::kList, "NAMESPACE", nullptr},
    {"auto-dedup", 0, FlagKind::kSwitch, nullptr, nullptr},
    {"bundle", 'b', FlagKind::kText, "DIR", nullptr},
    {"console-socket", 0, FlagKind::kText, "SOCKET", nullptr},
    {"detach", 'd', FlagKind::kSwitch, nullptr, nullptr},
    {"pid-file", 0, FlagKind::kText, "FILE", nullptr},
    {"no-subreaper", 0, FlagKind::kSwitch, nullptr, nullptr},
    {"no-pivot", 0, FlagKind::kSwitch, nullptr, nullptr},
    {"lsm-profile", 0, FlagKind::kText, "PROFILE", nullptr},
    {"lsm-mount-context", 0, FlagKind::kText, "CONTEXT", nullptr},
};

}  // namespace

constexpr Command kCheckpoint = {
    .name = "checkpoint",
    .summary = "checkpoint a running container (not supported yet)",
    .usage = "ID",
    .flags = kFlags,
    .run = run_checkpoint,
};

constexpr Command kRestore = {
    .name = "restore",
    .summary = "restore a container from a checkpoint (not supported yet)",
    .usage = "ID",
    .flags = kFlags,
    .run = run_restore,
};

}  // namespace gabion::cli
