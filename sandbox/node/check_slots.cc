// Id ranges nobody owns any more, processes that still run with one, and notes of lost audit records.
#include <algorithm>

#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "container/process.h"
#include "node/checks.h"
#include "node/slots.h"

namespace gabion::node {
namespace {

constexpr size_t kShown = 4;
constexpr size_t kStatusLimit = 65536;

struct Runner {
  pid_t pid = 0;
  uint64_t start = 0;
  uint32_t uid = 0;
};

// The real uid: /proc/PID itself belongs to root while the process is undumpable.
std::optional<uint32_t> real_uid(const std::string& pid) {
  const Result<std::string> text = read_file(concat({"/proc/", pid, "/status"}), kStatusLimit);
  if (!text.ok()) return std::nullopt;
  for (std::string_view line : split(*text, '\n')) {
    if (!line.starts_with("Uid:\t")) continue;
    const std::optional<uint64_t> uid = parse_unsigned(split(line.substr(5), '\t').front(), UINT32_MAX);
    return uid ? std::optional<uint32_t>(static_cast<uint32_t>(*uid)) : std::nullopt;
  }
  return std::nullopt;
}

std::vector<Runner> processes_in(const policy::IdRange& range) {
  std::vector<Runner> found;
  for (const std::string& name : names_in("/proc")) {
    const std::optional<uint64_t> pid = parse_unsigned(name, INT32_MAX);
    if (!pid) continue;
    const std::optional<uint32_t> uid = real_uid(name);
    if (!uid || *uid < range.base || *uid - range.base >= range.count) continue;
    const Result<uint64_t> start = container::process_start_time(static_cast<pid_t>(*pid));
    if (start.ok()) found.push_back({static_cast<pid_t>(*pid), *start, *uid});
  }
  return found;
}

// A range is freed after its last process is gone: one that runs without an owner outlived its container,
// and the next container with this range would share its ids. Processes are listed before ranges are, and
// asked for again afterwards, so that a container that ends meanwhile is none of them.
std::vector<std::string> strays(const std::vector<Runner>& runners, const std::vector<Slot>& slots,
                                const policy::IdRange& range) {
  std::vector<std::string> found;
  for (const Runner& runner : runners) {
    const std::string slot = std::to_string(slot_of(runner.uid, range.base, range.size));
    const bool owned = std::any_of(slots.begin(), slots.end(),
                                   [&](const Slot& each) { return each.name == slot && !each.orphan; });
    if (owned) continue;
    const Result<uint64_t> now = container::process_start_time(runner.pid);
    if (now.ok() && *now == runner.start) found.push_back(std::to_string(runner.pid));
  }
  return found;
}

}  // namespace

void check_slots(const Subject& subject, Findings& findings) {
  const std::string& registry = subject.request.id_directory;
  const policy::IdRange& range = subject.policy.ids;
  const std::vector<Runner> runners = range.size == 0 ? std::vector<Runner>() : processes_in(range);
  const std::vector<Slot> slots = read_slots(registry);

  std::vector<std::string> orphans;
  for (const Slot& slot : slots) {
    if (slot.orphan) orphans.push_back(concat({slot.name, " of ", slot.owner}));
  }
  if (orphans.empty()) {
    findings.push_back(passed("id-slots", concat({std::to_string(slots.size()), " in use"}), registry));
  } else {
    // The runtime takes such a range over under this lock.
    findings.push_back(warned("id-slots",
                              concat({std::to_string(orphans.size()),
                                      " of a container that is gone: ", name_some(orphans, kShown)}),
                              concat({"flock ", registry, "/.lock find ", registry, " -xtype l -delete"}),
                              registry));
  }
  const std::vector<std::string> left = strays(runners, slots, range);
  if (left.empty()) {
    findings.push_back(passed("processes", "none runs with the ids of a container that is gone"));
    return;
  }
  std::string command = "kill -9";
  for (const std::string& pid : left) command += " " + pid;
  findings.push_back(failed("processes",
                            concat({std::to_string(left.size()),
                                    " with ids of the policy's range that no container "
                                    "owns: ",
                                    name_some(left, 8)}),
                            std::move(command)));
}

void check_gaps(const Subject& subject, Findings& findings) {
  const std::string& directory = subject.request.gap_directory;
  const std::vector<std::string> notes = names_in(directory);
  if (notes.empty()) {
    findings.push_back(passed("audit-gaps", "no event was lost", directory));
    return;
  }
  findings.push_back(warned(
      "audit-gaps", concat({std::to_string(notes.size()), " logs have missed events: ", name_some(notes, 2)}),
      concat({"see that the log takes lines: its next event reports the gap and removes the note. For "
              "a log that "
              "is no longer used: less ",
              directory, "/*, then rm ", directory, "/", notes.front()}),
      directory));
}

}  // namespace gabion::node
