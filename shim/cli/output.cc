#include "shim/cli/output.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/file.h"
#include "base/json.h"
#include "base/json_text.h"
#include "base/path.h"
#include "base/text.h"

namespace gabion::cli {

namespace {

// A reader that has stopped reading costs the log a line, not the container its start.
constexpr int kPatienceMs = 500;

void write_patiently(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t put = ::write(fd, data.data(), data.size());
    if (put > 0) {
      data.remove_prefix(static_cast<size_t>(put));
    } else if (put < 0 && errno == EAGAIN) {
      pollfd waiting{.fd = fd, .events = POLLOUT, .revents = 0};
      if (::poll(&waiting, 1, kPatienceMs) <= 0) return;
    } else if (put == 0 || errno != EINTR) {
      return;  // nowhere is left to say so
    }
  }
}

std::string escape_byte(char c) {
  constexpr char kDigits[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  return {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 0xf]};
}

}  // namespace

std::string printable(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    size_t length = json::utf8_length(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    const bool control = (byte < 0x20 && text[0] != '\n' && text[0] != '\t') || byte == 0x7f;
    // U+0080 to U+009F: terminals take them for ESC-prefixed controls.
    const bool c1 = length == 2 && byte == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
    if (length == 0 || control || c1) {
      length = length == 0 ? 1 : length;
      for (size_t i = 0; i < length; ++i) safe += escape_byte(text[i]);
    } else {
      safe += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return safe;
}

Status print(std::string_view text) {
  TRY_AT(write_all(STDOUT_FILENO, text), "standard output");
  return ok_status();
}

Result<Journal> Journal::open(const std::string& path, LogFormat format, bool debug) {
  Journal journal;
  journal.format_ = format;
  journal.debug_ = debug;
  if (path.empty()) return journal;
  Result<Fd> file = open_path(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK, 0644);
  if (file.ok()) {
    journal.file_ = std::move(file).value();
  } else if (file.error().sys_errno != ENXIO) {  // ENXIO: a FIFO without a reader (fifo(7))
    return std::move(file).error().wrap("--log");
  }
  return journal;
}

void Journal::line(std::string_view level, std::string_view message) const {
  const timespec now = [] {
    timespec time{};
    (void)::clock_gettime(CLOCK_REALTIME, &time);  // cannot fail for this clock
    return time;
  }();
  // Whole seconds, as runc's lines have them: "2026-01-02T03:04:05Z".
  const std::string stamp = rfc3339_utc(now.tv_sec, 0).substr(0, 19) + "Z";
  const std::string text = json::escape(printable(message));
  const std::string entry =
      format_ == LogFormat::kJson
          ? concat({"{\"level\":\"", level, "\",\"msg\":\"", text, "\",\"time\":\"", stamp, "\"}\n"})
          : concat({"time=\"", stamp, "\" level=", level, " msg=\"", text, "\"\n"});
  write_patiently(file_.valid() ? file_.get() : STDERR_FILENO, entry);
}

void Journal::error(std::string_view message) const {
  line("error", message);
  if (file_.valid()) write_patiently(STDERR_FILENO, concat({printable(message), "\n"}));
}

void Journal::warning(std::string_view message) const {
  line("warning", message);
  if (file_.valid()) write_patiently(STDERR_FILENO, concat({printable(message), "\n"}));
}

void Journal::debug(std::string_view message) const {
  if (debug_) line("debug", message);
}

}  // namespace gabion::cli
