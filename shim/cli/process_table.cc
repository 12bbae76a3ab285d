#include "shim/cli/process_table.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <optional>
#include <span>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "shim/cli/output.h"

namespace gabion::cli {

namespace {

struct Facts {
  uint32_t uid = 0;
  pid_t pid = 0;
  std::string name;
  uint64_t parent = 0;
  uint64_t tty = 0;
  uint64_t ticks = 0;  // user and system
  uint64_t start = 0;  // ticks since boot
  std::string command;
};

uint64_t field(const std::vector<std::string_view>& fields, size_t index) {
  if (index >= fields.size()) return 0;
  return parse_unsigned(fields[index], std::numeric_limits<uint64_t>::max()).value_or(0);
}

std::optional<Facts> read_facts(pid_t pid) {
  const std::string directory = concat({"/proc/", std::to_string(pid)});
  struct stat info {};
  if (::stat(directory.c_str(), &info) != 0) return std::nullopt;
  const Result<std::string> text = read_file(directory + "/stat", 4096);
  if (!text.ok()) return std::nullopt;
  const std::string_view stat = text.value();
  const size_t open = stat.find('(');
  const size_t close = stat.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos) return std::nullopt;
  // proc_pid_stat(5) counts from 1; the first here is field 3, the state.
  const std::vector<std::string_view> fields = split(trim(stat.substr(close + 1)), ' ');
  Facts facts;
  facts.uid = info.st_uid;
  facts.pid = pid;
  facts.name = std::string(stat.substr(open + 1, close - open - 1));
  facts.parent = field(fields, 1);
  facts.tty = field(fields, 4);
  facts.ticks = field(fields, 11) + field(fields, 12);
  facts.start = field(fields, 19);
  Result<std::string> command = read_file(directory + "/cmdline", size_t{1} << 20);
  if (command.ok()) facts.command = std::move(command).value();
  while (!facts.command.empty() && facts.command.back() == '\0') facts.command.pop_back();
  for (char& c : facts.command) {
    if (c == '\0' || c == '\n' || c == '\t') c = ' ';
  }
  if (facts.command.empty()) facts.command = concat({"[", facts.name, "]"});
  return facts;
}

// The node's name for an id; ids of a container have none. Not getpwuid(3): it loads libraries that
// nsswitch.conf names.
std::string user_name(uint32_t uid, std::string_view passwd) {
  for (std::string_view line : split(passwd, '\n')) {
    const std::vector<std::string_view> fields = split(line, ':');
    if (fields.size() < 3 || parse_unsigned(fields[2], std::numeric_limits<uint32_t>::max()) != uid) continue;
    // ps(1) shows the number when the name is wider than its column.
    if (fields[0].size() <= 8) return std::string(fields[0]);
  }
  return std::to_string(uid);
}

std::string two_digits(uint64_t value) { return (value < 10 ? "0" : "") + std::to_string(value); }

std::string clock_text(uint64_t seconds) {
  return concat(
      {two_digits(seconds / 3600), ":", two_digits(seconds / 60 % 60), ":", two_digits(seconds % 60)});
}

// HH:MM, or MonDD when it did not start today, as ps(1).
std::string start_text(time_t started, time_t now) {
  tm then{};
  tm today{};
  if (::localtime_r(&started, &then) == nullptr || ::localtime_r(&now, &today) == nullptr) return "?";
  char text[16];
  const bool same_day = then.tm_year == today.tm_year && then.tm_yday == today.tm_yday;
  const size_t size = ::strftime(text, sizeof(text), same_day ? "%H:%M" : "%b%d", &then);
  return {text, size};
}

std::string tty_text(uint64_t device) {
  if (device == 0) return "?";
  // new_encode_dev() of the kernel: minor in bits 0-7 and 20-31, major in 8-19.
  const uint64_t major = (device >> 8) & 0xfff;
  const uint64_t minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  constexpr uint64_t kPtsFirst = 136;  // UNIX98_PTY_SLAVE_MAJOR, eight of them
  constexpr uint64_t kPtsLast = 143;
  if (major >= kPtsFirst && major <= kPtsLast) {
    return concat({"pts/", std::to_string((major - kPtsFirst) * 256 + minor)});
  }
  if (major == 4)
    return concat({minor < 64 ? "tty" : "ttyS", std::to_string(minor < 64 ? minor : minor - 64)});
  return "?";
}

void append_padded(std::string& line, std::string_view text, size_t width, bool right) {
  const size_t blanks = text.size() < width ? width - text.size() : 0;
  if (right) line.append(blanks, ' ');
  line += text;
  if (!right) line.append(blanks, ' ');
}

}  // namespace

std::string process_table(const std::vector<pid_t>& pids) {
  const auto ticks_per_second = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  const auto up = static_cast<uint64_t>(boot_time_ns() / 1'000'000'000);
  const time_t now = ::time(nullptr);
  const Result<std::string> passwd = read_file("/etc/passwd", size_t{1} << 20);
  const std::string_view users = passwd.ok() ? std::string_view(passwd.value()) : std::string_view();

  std::string table = "UID          PID    PPID  C STIME TTY          TIME CMD\n";
  for (pid_t pid : pids) {
    const std::optional<Facts> facts = read_facts(pid);
    if (!facts) continue;
    const uint64_t since_boot = facts->start / ticks_per_second;
    const uint64_t age = up > since_boot ? up - since_boot : 0;
    const uint64_t used = facts->ticks / ticks_per_second;
    append_padded(table, user_name(facts->uid, users), 8, false);
    append_padded(table, std::to_string(facts->pid), 8, true);
    append_padded(table, std::to_string(facts->parent), 8, true);
    append_padded(table, std::to_string(age > 0 ? std::min<uint64_t>(used * 100 / age, 99) : 0), 3, true);
    table += ' ';
    append_padded(table, start_text(now - static_cast<time_t>(age), now), 5, false);
    table += ' ';
    append_padded(table, tty_text(facts->tty), 8, false);
    table += ' ';
    append_padded(table, clock_text(used), 8, true);
    table += concat({" ", printable(facts->command), "\n"});
  }
  return table;
}

Result<std::string> filter_ps_output(std::string_view output, const std::vector<pid_t>& pids) {
  const auto words_of = [](std::string_view line) {
    std::vector<std::string_view> words;
    for (std::string_view word : split(line, ' ')) {
      if (!trim(word).empty()) words.push_back(trim(word));
    }
    return words;
  };
  const std::vector<std::string_view> lines = split(output, '\n');
  const std::vector<std::string_view> header = words_of(lines[0]);
  const auto column = std::find(header.begin(), header.end(), "PID");
  if (column == header.end()) {
    return make_error(Code::kInvalid, "couldn't find PID field in ps output; add pid to the options");
  }
  const auto index = static_cast<size_t>(column - header.begin());
  std::string text = concat({lines[0], "\n"});
  for (std::string_view line : std::span(lines).subspan(1)) {
    const std::vector<std::string_view> words = words_of(line);
    if (words.size() <= index) continue;
    const auto pid = parse_unsigned(words[index], static_cast<uint64_t>(std::numeric_limits<pid_t>::max()));
    if (pid && std::find(pids.begin(), pids.end(), static_cast<pid_t>(*pid)) != pids.end()) {
      text += concat({printable(line), "\n"});
    }
  }
  return text;
}

}  // namespace gabion::cli
