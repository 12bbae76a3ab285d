#include "audit/tail.h"

#include <sys/stat.h>
#include <unistd.h>

#include <limits>
#include <optional>
#include <string>

#include "audit/record.h"
#include "base/text.h"

namespace gabion::audit {

namespace {

Result<std::string> read_range(int fd, uint64_t offset, size_t size, std::string_view name) {
  std::string text(size, '\0');
  size_t used = 0;
  while (used < size) {
    const ssize_t got = ::pread(fd, text.data() + used, size - used, static_cast<off_t>(offset + used));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error(concat({"read ", name}));
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  text.resize(used);
  return text;
}

// The record's number from the end of its line. Text of a caller cannot forge it: inside a JSON
// string a quote is written \", so the bytes `,"seq":` occur only as the field itself.
std::optional<uint64_t> seq_of(std::string_view line) {
  constexpr std::string_view kField = ",\"seq\":";
  if (line.empty() || line.back() != '}') return std::nullopt;
  const size_t field = line.rfind(kField);
  if (field == std::string_view::npos) return std::nullopt;
  const std::string_view rest = line.substr(field + kField.size());
  return parse_unsigned(rest.substr(0, rest.find_first_of(",}")), std::numeric_limits<uint64_t>::max() - 8);
}

struct Scan {
  bool found = false;
  bool only_torn = true;  // no line but those closed off with '!'
  Tail tail;
};

Scan scan(std::string_view text, uint64_t offset) {
  Scan result;
  const size_t last = text.rfind('\n');
  const size_t whole = last == std::string_view::npos ? 0 : last + 1;
  result.tail.torn_offset = offset + whole;
  result.tail.torn_bytes = text.size() - whole;
  size_t end = whole;
  while (end > 0) {
    const size_t newline = end >= 2 ? text.rfind('\n', end - 2) : std::string_view::npos;
    const size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    const std::string_view line = text.substr(start, end - 1 - start);
    if (const std::optional<uint64_t> seq = seq_of(line)) {
      result.found = true;
      result.tail.seq = *seq;
      return result;
    }
    if (line.empty() || line.back() != '!') result.only_torn = false;
    end = start;
  }
  return result;
}

}  // namespace

Result<Tail> read_tail(int fd, std::string_view name) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return sys_error(concat({"stat ", name}));
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size == 0) return Tail{};
  // The number is in a line's last bytes, so 1 KiB nearly always does; four lines' worth passes over
  // a torn line and its repair.
  for (uint64_t window : {uint64_t{1024}, uint64_t{4 * kMaxLine}}) {
    const uint64_t offset = size > window ? size - window : 0;
    const std::string text = TRY(read_range(fd, offset, static_cast<size_t>(size - offset), name));
    const Scan result = scan(text, offset);
    if (result.found) return result.tail;
    if (offset == 0 && result.only_torn) return result.tail;
  }
  return make_error(Code::kInvalid, concat({name,
                                            ": no audit record at its end; this is not an audit log, or it "
                                            "was edited: move it away and keep it as evidence"}));
}

}  // namespace gabion::audit
