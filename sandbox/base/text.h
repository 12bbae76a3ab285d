// Small text functions that <format> would give us on a newer libstdc++.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gabion {

// join({"a", "b"}) == "ab": one allocation, no streams.
std::string concat(std::initializer_list<std::string_view> parts);
// What execve(2) takes: the texts' own bytes, and a null pointer at the end. They must outlive it.
std::vector<char*> c_strings(const std::vector<std::string>& texts);
std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

// Whole-string, base ten, no sign, no blanks; nullopt otherwise (CVE-2026-30892: "1" must be 1 and
// "4294967296" must not become 0).
std::optional<uint64_t> parse_unsigned(std::string_view text, uint64_t max);
std::optional<int64_t> parse_signed(std::string_view text);
// "512m", "1g", "1024": bytes, suffixes b k m g t in powers of 1024, as Docker's units.
std::optional<int64_t> parse_bytes(std::string_view text);

// Go's path.Match without classes: '*' any run without '/', '**' any run, '?' one character.
bool glob_match(std::string_view pattern, std::string_view text);

// RFC 3339 with nanoseconds in UTC, as runc writes "created" and "time".
std::string rfc3339_utc(int64_t seconds, int64_t nanoseconds);
std::string now_rfc3339();

}  // namespace gabion
