// What follows on calls that no service makes, besides the error that the container sees: the policy's
// `violations`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gabion::policy {

// Besides the error that the caller gets in any case. From mild to hard.
enum class Answer : uint8_t {
  kOff,     // nothing
  kLog,     // an audit event
  kFreeze,  // and the container is paused, to be looked at
  kKill,    // and every process of the container is killed
};
inline constexpr std::array<std::string_view, 4> kAnswers = {"off", "log", "freeze", "kill"};

// The words of profiles/seccomp ("watch"); docs/policy.md says what belongs to each.
inline constexpr std::array<std::string_view, 12> kViolationKinds = {
    "bpf",    "handles",    "host",    "io_uring", "keys",    "modules",
    "mounts", "namespaces", "sockets", "terminal", "tracing", "userfaultfd"};

std::optional<Answer> answer_from_name(std::string_view name);
std::optional<size_t> violation_kind(std::string_view name);  // an index of kViolationKinds

class Violations {
 public:
  // kOff for a word that is none.
  [[nodiscard]] Answer answer(std::string_view kind) const;
  void set(size_t kind, Answer answer) { answers_[kind] = answer; }
  void set_all(Answer answer) { answers_.fill(answer); }
  [[nodiscard]] bool any() const;
  bool operator==(const Violations&) const = default;

 private:
  std::array<Answer, kViolationKinds.size()> answers_{};
};

}  // namespace gabion::policy
