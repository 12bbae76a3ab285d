// The process itself: no privilege by execve(2), no core dump, no unfair share of the processor.
#include <algorithm>
#include <array>

#include "base/path.h"
#include "policy/rules/rules.h"

namespace gabion::policy {
namespace {

constexpr std::string_view kCore = "RLIMIT_CORE";
// core(5): a core_pattern that is a pipe ignores a limit of 0 and obeys 1.
constexpr uint64_t kNoCore = 1;

void judge_no_new_privileges(oci::Process& process, const std::string& path, Recorder& log) {
  if (process.no_new_privileges) return;
  if (log.rewrites(Rule::kProcessNoNewPrivileges,
                   {path + ".noNewPrivileges", "false", "true",
                    "set-user-id programs and file capabilities are the shortest way to root",
                    "set it (docker run --security-opt no-new-privileges)"})) {
    process.no_new_privileges = true;
  }
}

void judge_core_limit(oci::Process& process, const std::string& path, Recorder& log) {
  const auto is_core = [](const oci::Rlimit& limit) { return limit.type == kCore; };
  const auto core = std::find_if(process.rlimits.begin(), process.rlimits.end(), is_core);
  const bool present = core != process.rlimits.end();
  if (present && core->soft == kNoCore && core->hard == kNoCore) return;
  const std::string before =
      present ? "soft " + std::to_string(core->soft) + ", hard " + std::to_string(core->hard) : "";
  if (!log.rewrites(Rule::kProcessCoreDumps,
                    {path + ".rlimits", before, "RLIMIT_CORE soft 1, hard 1",
                     "a core dump writes the process's secrets to the host; a piped core_pattern ignores "
                     "a limit of 0",
                     "set RLIMIT_CORE to 1"})) {
    return;
  }
  if (present) {
    core->soft = core->hard = kNoCore;
  } else {
    process.rlimits.push_back({std::string(kCore), kNoCore, kNoCore});
  }
}

void judge_cwd(oci::Process& process, const std::string& path, Recorder& log) {
  const std::string cwd = clean_path(process.cwd);
  // /dev/fd is a link to /proc/self/fd.
  if (!path_is_within(cwd, "/proc") && !path_is_within(cwd, "/dev/fd")) return;
  if (log.rewrites(Rule::kProcessCwd, {path + ".cwd", process.cwd, "/",
                                       "a working directory in /proc can be a leaked descriptor of the host "
                                       "(CVE-2024-21626)",
                                       "use a directory of the image"})) {
    process.cwd = "/";
  }
}

void judge_oom_score(oci::Process& process, const std::string& path, Recorder& log) {
  if (!process.oom_score_adj || *process.oom_score_adj >= 0) return;
  if (log.rewrites(Rule::kProcessOomScore,
                   {path + ".oomScoreAdj", std::to_string(*process.oom_score_adj), "0",
                    "a negative value has the kernel kill the node's own services first", "use 0 or more"})) {
    process.oom_score_adj = 0;
  }
}

void judge_realtime(oci::Process& process, const std::string& path, Recorder& log) {
  constexpr std::array<std::string_view, 3> kRealtime = {"SCHED_FIFO", "SCHED_RR", "SCHED_DEADLINE"};
  if (process.scheduler &&
      std::find(kRealtime.begin(), kRealtime.end(), process.scheduler->policy) != kRealtime.end() &&
      log.rewrites(Rule::kProcessRealtime, {path + ".scheduler", process.scheduler->policy, "",
                                            "a real-time process can keep a processor from everyone else",
                                            "use SCHED_OTHER or SCHED_BATCH"})) {
    process.scheduler.reset();
  }
  if (process.scheduler && process.scheduler->nice.value_or(0) < 0 &&
      log.rewrites(
          Rule::kProcessRealtime,
          {path + ".scheduler.nice", std::to_string(*process.scheduler->nice), "0",
           "a negative nice value takes processor time from the node's services", "use 0 or more"})) {
    process.scheduler->nice = 0;
  }
  if (process.io_priority && process.io_priority->class_name == "IOPRIO_CLASS_RT" &&
      log.rewrites(Rule::kProcessRealtime,
                   {path + ".ioPriority", "IOPRIO_CLASS_RT", "",
                    "real-time I/O starves every other reader of the disk", "use IOPRIO_CLASS_BE"})) {
    process.io_priority.reset();
  }
}

}  // namespace

void judge_personality(Draft& draft, Recorder& log) {
  std::optional<oci::Personality>& personality = draft.spec.linux_.personality;
  if (!personality || (personality->domain == "LINUX" && personality->flags.empty())) return;
  if (log.rewrites(
          Rule::kProcessPersonality,
          {"linux.personality", personality->domain + " " + word_list(personality->flags), "LINUX",
           "other personalities switch off address randomisation and page protection", "use LINUX"})) {
    *personality = {"LINUX", {}};
  }
}

void judge_process(oci::Process& process, const std::string& path, Recorder& log) {
  judge_no_new_privileges(process, path, log);
  judge_core_limit(process, path, log);
  judge_cwd(process, path, log);
  judge_oom_score(process, path, log);
  judge_realtime(process, path, log);
}

}  // namespace gabion::policy
